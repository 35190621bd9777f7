use std::collections::HashSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use proptest::prelude::*;
use weighbridge_engine::{CancelAfter, Prompt, Tokenizer, TokenizerError};

use super::*;
use crate::arrivals::Arrivals;
use crate::distributions::{LengthDistribution, TimeDistribution};
use crate::traffic::{Session, Traffic, TurnPrompt};

/// Tokenizers that differ in what a token may hold.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// A word with its space is one token; longer ones are cut every six bytes.
    Words,
    /// A token for each byte.
    Bytes,
    /// A token for each two bytes, so that the borders of words are no borders of tokens.
    Pairs,
}

#[derive(Debug)]
struct Fake(Kind, bool);

impl Tokenizer for Fake {
    fn vocab_size(&self) -> u32 {
        300
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let bytes = text.as_bytes();
        let mut ids = Vec::new();
        let mut start = 0;
        for end in 1..=bytes.len() {
            let is_border = match self.0 {
                Kind::Words => bytes.get(end).is_none_or(u8::is_ascii_whitespace) || end - start == 6,
                Kind::Bytes => true,
                Kind::Pairs => end - start == 2 || end == bytes.len(),
            };
            if is_border {
                ids.push(bytes[start..end].iter().fold(7, |hash, byte| (hash * 31_u32 % 0xffff) ^ u32::from(*byte)));
                start = end;
            }
        }
        Ok(ids)
    }

    fn token_bytes(&self, token: u32) -> Vec<u8> {
        u8::try_from(token).into_iter().collect()
    }

    fn bos(&self) -> Option<u32> {
        self.1.then_some(0)
    }

    fn eos(&self) -> &[u32] {
        &[]
    }
}

fn pool(kind: Kind, has_bos: bool) -> Arc<TextPool> {
    Arc::new(TextPool::new(Arc::new(Fake(kind, has_bos))))
}

fn load(text: &str, salt: Option<u64>, pool: &Arc<TextPool>) -> Synthetic {
    let (parts, distinct) = read_parts(text).unwrap();
    let settings = SyntheticSettings { parts, seed: 11, salt, sessions: None, distinct };
    Synthetic::new(settings, Arc::clone(pool)).unwrap()
}

fn sessions(load: &impl Traffic, count: u64) -> Vec<Session> {
    (0..count).map(|index| load.session(index).unwrap()).collect()
}

fn text(session: &Session) -> &str {
    match &session.turns[0].prompt {
        TurnPrompt::Whole(Prompt::Text(text)) => text,
        TurnPrompt::Whole(Prompt::Chat(messages)) => &messages[0].content,
        other => panic!("the first prompt is whole: {other:?}"),
    }
}

#[test]
fn lengths_are_exact_for_any_tokenizer() {
    for (kind, is_exact) in [(Kind::Words, true), (Kind::Bytes, true), (Kind::Pairs, false)] {
        for has_bos in [false, true] {
            let pool = pool(kind, has_bos);
            assert_eq!(pool.is_exact(), is_exact, "{kind:?}");
            for format in ["text", "chat"] {
                let load = load(&format!("input=2..300,output=1,format={format}"), Some(3), &pool);
                for session in sessions(&load, 50) {
                    let bos = usize::from(has_bos && format == "text");
                    let tokens = Fake(kind, has_bos).encode(text(&session)).unwrap().len() + bos;
                    assert_eq!(session.turns[0].input_tokens, u32::try_from(tokens).ok(), "{kind:?} {format}");
                }
            }
        }
    }
}

#[test]
fn prefixes_come_before_the_prompt_and_are_counted() {
    let pool = pool(Kind::Words, true);
    let load = load("input=50,output=9,prefix=4x100@0.5", Some(3), &pool);
    let made = sessions(&load, 400);
    let start = |session: &Session| text(session).split(' ').take(99).collect::<Vec<_>>().join(" ");
    let with: Vec<&Session> = made.iter().filter(|session| session.turns[0].input_tokens == Some(150)).collect();
    let without = made.iter().filter(|session| session.turns[0].input_tokens == Some(50)).count();
    assert_eq!(with.len() + without, 400);
    assert!((150..250).contains(&without), "{without}");
    let prefixes: HashSet<String> = with.iter().map(|session| start(session)).collect();
    assert_eq!(prefixes.len(), 4);
    // What comes after the prefix is each prompt's own.
    let rest: HashSet<&str> = with.iter().map(|session| &text(session)[start(session).len()..]).collect();
    assert_eq!(rest.len(), with.len());
    assert!(with.iter().all(|session| Fake(Kind::Words, true).encode(text(session)).unwrap().len() == 149));
}

#[test]
fn a_salt_changes_texts_and_nothing_else() {
    let pool = pool(Kind::Words, false);
    let make = |salt| sessions(&load("input=20..40,output=5..9,prefix=2x10,cancel=0.5@1s..2s", salt, &pool), 100);
    let (none, again, one, two) = (make(None), make(None), make(Some(1)), make(Some(2)));
    assert_eq!(none, again);
    let starts = |made: &[Session]| made.iter().map(|session| text(session)[..12].to_owned()).collect::<HashSet<_>>();
    assert!(starts(&one).is_disjoint(&starts(&two)) && starts(&one).is_disjoint(&starts(&none)));
    for (left, right) in one.iter().zip(&two) {
        let mut right = right.clone();
        right.turns[0].prompt = left.turns[0].prompt.clone();
        assert_eq!(*left, right);
    }
}

#[test]
fn samples_repeat() {
    let pool = pool(Kind::Words, false);
    let load = load("input=20..40,output=5..9,samples=7", Some(1), &pool);
    let made = sessions(&load, 21);
    assert_eq!(made[..7], made[14..]);
    assert_eq!(made.iter().map(text).collect::<HashSet<_>>().len(), 7);
}

#[test]
fn texts_differ_from_their_first_words() {
    for pool in [pool(Kind::Words, false), pool(Kind::Bytes, false), Arc::new(TextPool::default())] {
        let made = sessions(&load("input=64,output=1", Some(1), &pool), 2000);
        let starts: HashSet<String> = made.iter().map(|session| text(session).chars().take(32).collect()).collect();
        assert!(starts.len() > 1900, "{}", starts.len());
        assert!(made.iter().all(|session| !text(session).starts_with(' ')));
    }
}

#[test]
fn conversations_follow_turn_by_turn() {
    let pool = pool(Kind::Words, false);
    let made = sessions(&load("input=20,output=5,turns=1..4,think=exponential:2s", None, &pool), 400);
    let mut seen = HashSet::new();
    for session in &made {
        seen.insert(session.turns.len());
        for (number, turn) in session.turns.iter().enumerate() {
            let follows: Vec<u32> = u32::try_from(number).unwrap().checked_sub(1).into_iter().collect();
            assert_eq!(turn.follows, follows);
            match &turn.prompt {
                TurnPrompt::Whole(Prompt::Chat(messages)) => assert_eq!((number, messages.len()), (0, 1)),
                TurnPrompt::Continue(messages) => {
                    assert_eq!(Fake(Kind::Words, false).encode(&messages[0].content).unwrap().len(), 20);
                    assert_eq!(turn.input_tokens, None);
                }
                TurnPrompt::Whole(other) => panic!("a conversation is a chat: {other:?}"),
            }
        }
    }
    assert_eq!(seen, HashSet::from([1, 2, 3, 4]));
    let thinks: Vec<f64> = made.iter().flat_map(|s| &s.turns[1..]).map(|turn| turn.think.as_secs_f64()).collect();
    let mean = thinks.iter().sum::<f64>() / thinks.len() as f64;
    assert!((mean - 2.0).abs() < 0.4, "{mean}");
}

#[test]
fn agents_fan_out_and_in() {
    let made =
        load("input=20,output=5,fan_out=3,rounds=2,think=1s", None, &pool(Kind::Words, false)).session(0).unwrap();
    let follows: Vec<&[u32]> = made.turns.iter().map(|turn| turn.follows.as_slice()).collect();
    let expected: [&[u32]; 9] = [&[], &[0], &[0], &[0], &[1, 2, 3], &[4], &[4], &[4], &[5, 6, 7]];
    assert_eq!(follows, expected);
    assert!(made.turns[1..].iter().all(|turn| turn.think == Duration::from_secs(1)));
}

#[test]
fn shares_of_clients_misbehave() {
    let text = "input=20,output=5,cancel=0.25@3..5frames,slow=0.1@50ms";
    let made = sessions(&load(text, None, &pool(Kind::Words, false)), 4000);
    let behaviors: Vec<_> = made.iter().map(|session| session.turns[0].behavior).collect();
    let cancelled = behaviors.iter().filter_map(|behavior| behavior.cancel).collect::<Vec<_>>();
    assert!((900..1100).contains(&cancelled.len()), "{}", cancelled.len());
    assert!(cancelled.iter().all(|cancel| matches!(cancel, CancelAfter::Frames(3..=5))));
    let slow = behaviors.iter().filter(|behavior| behavior.read_pause == Some(Duration::from_millis(50))).count();
    assert!((320..480).contains(&slow), "{slow}");
}

#[test]
fn mixtures_keep_their_weights() {
    let text = "group=victim,input=128,output=64;group=aggressor,input=8192,output=16,weight=3";
    let made = sessions(&load(text, None, &Arc::new(TextPool::default())), 4000);
    let victims = made.iter().filter(|session| session.group.as_deref() == Some("victim")).count();
    assert!((900..1100).contains(&victims), "{victims}");
    assert!(made.iter().all(|session| session.turns[0].input_tokens.is_none()));
    let long = made.iter().filter(|session| text_words(session) == 8192).count();
    assert_eq!(victims + long, 4000);
}

fn text_words(session: &Session) -> usize {
    text(session).split(' ').count()
}

#[test]
fn merged_loads_keep_their_own_arrivals() {
    let pool = Arc::new(TextPool::default());
    let part = |text: &str, arrivals: &str, sessions| {
        let (parts, distinct) = read_parts(text).unwrap();
        let settings = SyntheticSettings { parts, seed: 1, salt: None, sessions, distinct };
        let traffic = Arc::new(Synthetic::new(settings, Arc::clone(&pool)).unwrap());
        let group = Some(arrivals.to_owned());
        MergedPart { traffic, arrivals: arrivals.parse().unwrap(), seed: 9, group }
    };
    let make = || {
        let parts = vec![
            part("input=8,output=1", "poisson:100", Some(15_000)),
            part("input=9,output=1", "burst:10,every=2s", Some(500)),
        ];
        Merged::new(parts).unwrap()
    };
    let merged = make();
    let (count, forward) = (merged.count().unwrap(), sessions(&merged, 15_500));
    assert_eq!((count, merged.session(15_500)), (15_500, None));
    assert!(forward.is_sorted_by_key(|session| session.at));
    for (arrivals, expected) in [("poisson:100", 15_000), ("burst:10,every=2s", 500)] {
        let times: Vec<_> =
            forward.iter().filter(|s| s.group.as_deref() == Some(arrivals)).filter_map(|s| s.at).collect();
        let planned: Vec<_> = arrivals.parse::<Arrivals>().unwrap().times(9).take(expected).collect();
        assert_eq!(times, planned);
    }
    // Any order of asking gives the same sessions.
    let other = make();
    for index in [15_499_u64, 0, 9000, 8999, 4096, 4095, 12_288, 1] {
        assert_eq!(other.session(index).as_ref(), forward.get(usize::try_from(index).unwrap()), "{index}");
    }
}

#[test]
fn texts_print_as_they_are_read() {
    let check = |text: &str, printed: &str| assert_eq!(text.parse::<Part>().unwrap().to_string(), printed, "{text}");
    check("input=512,output=128", "input=512,output=128");
    check("prompt_tokens=512,output_tokens=128", "input=512,output=128");
    check("isl = normal:512,64 , osl=1..9", "input=normal:512,64,output=1..9");
    check(
        "prompt_tokens=512,prompt_tokens_stdev=64,prompt_tokens_min=16,prompt_tokens_max=2048,output_tokens=9",
        "input=normal:512,64,16..2048,output=9",
    );
    check("prompt_tokens=512,prompt_tokens_min=16,prompt_tokens_max=99,output_tokens=9", "input=16..99,output=9");
    check("{\"prompt_tokens\": 512, \"output_tokens\": 9, \"turns\": null}", "input=512,output=9");
    check("input=5,output=9,prefix-tokens=64", "input=5,output=9,prefix=1x64");
    check("input=5,output=9,prefix_tokens=64,prefix_count=8", "input=5,output=9,prefix=8x64");
    check("input=5,output=9,turns=3", "input=5,output=9,turns=3,think=0s");
    check(
        "weight=2,group=a b,slow=0.2@50ms,cancel=0.1@lognormal:2s,0.5,fan_out=4,think=2s,format=chat,input=5,output=9",
        "input=5,output=9,format=chat,fan_out=4,rounds=1,think=2s,cancel=0.1@lognormal:2s,0.5,slow=0.2@50ms,\
         group=a b,weight=2",
    );
}

#[test]
fn wrong_texts_say_what_is_wrong() {
    let check = |text: &str, expected: &str| {
        let error = text.parse::<Part>().unwrap_err();
        assert_eq!(error.to_string(), format!("read the synthetic load `{text}`: {expected}"));
        assert!(!error.hint().is_empty());
    };
    check("", "`` is not written as `key=value`");
    check("input=5", "`output` is missing");
    check("input=5,output=0", "read the lengths `0`: `0` is not a length from 1 to 10000000 tokens");
    check("input=5,isl=6,output=1", "`input` is said twice");
    check("input=5,output=1,colour=red", "`colour` is no known key");
    check("input=5,output=1,think=2s", "`turns` or `fan_out` is missing");
    check("input=5,output=1,turns=2,fan_out=2", "`turns` is said twice");
    check("input=5,output=1,turns=300", "`300` is not a number of at most 256");
    check("input=5,output=1,rounds=2", "`fan_out` is missing");
    check("input=5,output=1,weight=0", "`0` is not a weight above 0 and at most 1000000000");
    check("input=5,output=1,format=html", "`html` is not `text` or `chat`");
    check("input=5,output=1,prefix=8", "read the shared prefixes `8`: `8` is not written as `COUNTxTOKENS`");
    check("input=5,output=1,prefix=0x8", "`0` is not a number of prefixes above 0");
    check("input=5,output=1,prefix_count=8", "`prefix_tokens` is missing");
    check("input=5,output=1,cancel=2@1s", "read the cancellations `2@1s`: `2` is not a share above 0 and at most 1");
    check("input=5,output=1,slow=0.5", "read the slow readers `0.5`: `0.5` is not written as `SHARE@PAUSE`");
    check("input=5,input_min=3,output=1", "the other bound of the length is missing");
    check("input_min=3,output=1", "the mean length is missing");
    check("{\"prompt_tokens\": 5", "`{\"prompt_tokens\": 5` is not written as a JSON object");
    let settings = SyntheticSettings { parts: Vec::new(), seed: 1, salt: None, sessions: None, distinct: None };
    assert!(Synthetic::new(settings, Arc::new(TextPool::default())).is_err());
}

fn parts() -> impl Strategy<Value = Part> {
    let lengths = || {
        prop_oneof![
            (1..500_u32).prop_map(LengthDistribution::Fixed),
            (1..500_u32).prop_map(|high| LengthDistribution::Uniform { low: 1, high }),
            (1.0..500.0).prop_map(|mean| LengthDistribution::Normal { mean, deviation: 3.5, bounds: (1, 600) }),
        ]
    };
    let count = || (1..5_u32).prop_map(|high| LengthDistribution::Uniform { low: 1, high });
    let time =
        || (0_u64..5000).prop_map(|millis| TimeDistribution::Exponential { mean: Duration::from_millis(millis) });
    let shape = prop_oneof![
        Just(SessionShape::Single),
        (count(), time()).prop_map(|(turns, think)| SessionShape::Conversation { turns, think }),
        (count(), count(), time()).prop_map(|(fan_out, rounds, think)| SessionShape::Agent { fan_out, rounds, think }),
    ];
    let share = || 0.001..=1.0;
    let prefixes = (1..9_u32, 1..200_u32, share()).prop_map(|(count, tokens, share)| Prefixes { count, tokens, share });
    let cancel =
        (share(), lengths()).prop_map(|(share, frames)| Cancellation { share, when: CancelWhen::Frames(frames) });
    let slow = (share(), time()).prop_map(|(share, pause)| SlowReaders { share, pause });
    let rest =
        (prop::option::of(prefixes), prop::option::of(cancel), prop::option::of(slow), prop::option::of("[a-z]{1,5}"));
    (lengths(), lengths(), shape, rest, any::<bool>(), 0.1..9.0).prop_map(
        |(input, output, shape, (prefixes, cancel, slow, group), is_chat, weight)| {
            let prompt = if is_chat { PromptShape::Chat } else { PromptShape::Text };
            Part { group, weight, input, output, prompt, prefixes, shape, cancel, slow }
        },
    )
}

proptest! {
    #[test]
    fn printed_parts_read_back(part in parts()) {
        let read = part.to_string().parse::<Part>();
        prop_assert_eq!(read, Ok(part));
    }

    #[test]
    fn sessions_hold_what_the_contract_says(part in parts(), seed in any::<u64>(), index in any::<u64>()) {
        let settings = SyntheticSettings { parts: vec![part], seed, salt: Some(1), sessions: None, distinct: None };
        static POOL: LazyLock<Arc<TextPool>> = LazyLock::new(Arc::default);
        let load = Synthetic::new(settings, Arc::clone(&POOL)).unwrap();
        let session = load.session(index).unwrap();
        prop_assert!(load.session(index).as_ref() == Some(&session));
        for (number, turn) in session.turns.iter().enumerate() {
            prop_assert!(turn.output_tokens > 0);
            prop_assert!(turn.follows.iter().all(|other| (*other as usize) < number));
            prop_assert_eq!(matches!(turn.prompt, TurnPrompt::Continue(_)), !turn.follows.is_empty());
        }
    }

    #[test]
    fn no_text_panics(text in "[a-z_]{0,6}=?[0-9a-z.,=@:|x;{}\"-]{0,40}") {
        if let Ok((parts, _)) = read_parts(&text) {
            prop_assert!(!parts.is_empty());
        }
    }
}
