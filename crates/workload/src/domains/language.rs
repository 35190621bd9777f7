//! Language: plurals, past tenses, agreement and a small lexicon.

use super::NAMES;
use crate::source::Source;
use crate::task::Draft;

pub(crate) fn draft(source: &mut Source, index: u64) -> Draft {
    match index / 12 % 4 {
        0 => plural(source, index),
        1 => past(source, index),
        2 => agreement(source, index),
        _ => translation(source, index),
    }
}

/// Nouns by rule, so that the held-out ones can be answered by rule.
fn plural(source: &mut Source, index: u64) -> Draft {
    const PLAIN: &[&str] = &[
        "cat", "book", "river", "window", "garden", "table", "lamp", "door", "road", "cloud", "flower", "ship", "song",
        "chair", "letter", "bottle", "market", "doctor", "engine", "ticket",
    ];
    const HISSING: &[&str] = &[
        "box", "bus", "dish", "church", "glass", "fox", "brush", "bench", "class", "match", "tax", "wish", "kiss",
        "lunch", "mix", "peach",
    ];
    const IN_Y: &[&str] =
        &["city", "baby", "story", "party", "lady", "cherry", "berry", "family", "country", "army", "copy", "duty"];
    let form = source.below(3);
    let (noun, right, rule) = match form {
        0 => {
            let noun = source.own(PLAIN);
            (noun, format!("{noun}s"), "most nouns take s")
        }
        1 => {
            let noun = source.own(HISSING);
            (noun, format!("{noun}es"), "a hissing sound takes es")
        }
        _ => {
            let noun = source.own(IN_Y);
            (noun, format!("{}ies", &noun[..noun.len() - 1]), "y becomes ies")
        }
    };
    let candidates =
        [format!("{noun}s"), format!("{noun}es"), format!("{}ies", &noun[..noun.len() - 1]), noun.to_owned()];
    let wrong: Vec<String> = candidates.into_iter().filter(|word| *word != right).collect();
    let input = format!("What is the plural of {noun}?");
    Draft::chosen(source, index, input, &right, &wrong, rule.to_owned())
}

fn past(source: &mut Source, index: u64) -> Draft {
    const REGULAR: &[&str] = &[
        "walk", "jump", "open", "call", "paint", "clean", "visit", "rain", "cook", "help", "look", "start", "answer",
        "climb", "follow", "listen",
    ];
    const IRREGULAR: &[(&str, &str)] = &[
        ("go", "went"),
        ("see", "saw"),
        ("take", "took"),
        ("write", "wrote"),
        ("bring", "brought"),
        ("run", "ran"),
        ("eat", "ate"),
        ("find", "found"),
        ("speak", "spoke"),
        ("buy", "bought"),
        ("come", "came"),
        ("sing", "sang"),
    ];
    let (verb, right, rule) = if source.chance(50) {
        let verb = source.own(REGULAR);
        (verb, format!("{verb}ed"), "the verb is regular")
    } else {
        // An irregular form cannot be derived, only known: both splits share the list.
        let (verb, form) = IRREGULAR[source.position(IRREGULAR.len())];
        (verb, form.to_owned(), "the verb is irregular")
    };
    let regular = format!("{verb}ed");
    let stranger = IRREGULAR[source.position(IRREGULAR.len())].1.to_owned();
    let mut wrong: Vec<String> = vec![format!("{verb}s"), format!("{verb}ing")];
    wrong.push(if right == regular { stranger } else { regular });
    let name = source.any(NAMES);
    let time = source.own(&["Yesterday", "Last week", "A year ago", "On Monday"]);
    let input = format!("Past tense of {verb}: {time} {name} ...");
    Draft::chosen(source, index, input, &right, &wrong, rule.to_owned())
}

fn agreement(source: &mut Source, index: u64) -> Draft {
    // Determiners for one and for many; the pair with the noun's form decides the split.
    const DETERMINERS: &[[&str; 2]] =
        &[["The", "The"], ["My", "My"], ["This", "These"], ["Our", "Our"], ["His", "His"], ["That", "Those"]];
    const NOUNS: &[&str] =
        &["dog", "sister", "house", "song", "neighbor", "car", "teacher", "letter", "picture", "friend"];
    const REST: &[&str] = &[
        "in the park",
        "near the station",
        "very quiet today",
        "behind the church",
        "on the way home",
        "ready for the winter",
        "too loud for me",
        "part of the story",
        "known in the village",
        "here since May",
        "from the north",
    ];
    let (determiner, form) = source.own_pair(DETERMINERS.len(), NOUNS.len() * 2);
    let is_plural = form % 2 == 1;
    let ending = if is_plural { "s" } else { "" };
    let subject = format!("{} {}{ending}", DETERMINERS[determiner][form % 2], NOUNS[form / 2]);
    let (singular, plural) = [("is", "are"), ("was", "were"), ("has been", "have been")][source.position(3)];
    let (right, wrong) = if is_plural { (plural, singular) } else { (singular, plural) };
    let input = format!("{subject} ... {}.", source.any(REST));
    let reason = format!("the subject is {}", if is_plural { "plural" } else { "singular" });
    Draft::chosen(source, index, input, right, &[wrong], reason)
}

fn translation(source: &mut Source, index: u64) -> Draft {
    const LEXICON: &[[&str; 4]] = &[
        ["water", "agua", "eau", "Wasser"],
        ["bread", "pan", "pain", "Brot"],
        ["house", "casa", "maison", "Haus"],
        ["sun", "sol", "soleil", "Sonne"],
        ["night", "noche", "nuit", "Nacht"],
        ["tree", "arbol", "arbre", "Baum"],
        ["fish", "pez", "poisson", "Fisch"],
        ["king", "rey", "roi", "Koenig"],
        ["book", "libro", "livre", "Buch"],
        ["friend", "amigo", "ami", "Freund"],
        ["milk", "leche", "lait", "Milch"],
        ["dog", "perro", "chien", "Hund"],
        ["door", "puerta", "porte", "Tuer"],
        ["city", "ciudad", "ville", "Stadt"],
        ["heart", "corazon", "coeur", "Herz"],
        ["moon", "luna", "lune", "Mond"],
    ];
    const TONGUES: [&str; 4] = ["English", "Spanish", "French", "German"];
    // The facts are shared; the wording differs between the splits.
    const WORDINGS: &[&str] =
        &["{} in {}:", "How do you say {} in {}?", "Translate {} into {}.", "The word {} is in {}:"];
    let place = source.position(LEXICON.len());
    let tongue = 1 + source.position(3);
    let entry = LEXICON[place];
    let pool: Vec<&str> = LEXICON.iter().map(|words| words[tongue]).collect();
    let mut wrong: Vec<&str> = source.others(&pool, &[entry[tongue]], 2);
    // The right word in a wrong language.
    wrong.push(entry[1 + tongue % 3]);
    let input = source.own(WORDINGS).replacen("{}", entry[0], 1).replacen("{}", TONGUES[tongue], 1);
    let reason = format!("{} is {} for {}", entry[tongue], TONGUES[tongue], entry[0]);
    Draft::chosen(source, index, input, entry[tongue], &wrong, reason)
}
