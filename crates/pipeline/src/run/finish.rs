//! The end of a run: items are chosen, documents get their final states, files are written.

use std::collections::BTreeMap;

use weighbridge_stats::Confidence;
use weighbridge_stats::cluster::ClusterSums;

use super::draft::Draft;
use super::error::PipelineError;
use super::examine::examine;
use super::report::{REPORT_VERSION, RunReport};
use super::runner::{Run, Watch, card_path};
use super::settle::{Settled, close, weigh};
use super::state::{State, StateCounts};
use super::times::Stage;
use crate::converse::Diversity;
use crate::dedup::{Split, split_of};
use crate::digest::digest_of;
use crate::finalize::{
    CARD_VERSION, Card, DATASET_VERSION, ItemRecord, Lines, QualityCard, RejectedRecord, TurnRecord, write_dataset,
};
use crate::quality::{Answerability, Evidence, JudgeReport, PlantedReport, planted_report, reference_score};
use crate::targets::Target;
use crate::words::words;

/// Items whose answers errors are planted into.
const PLANTED_ITEMS: usize = 2000;
/// First words and patterns that the card names.
const NAMED: usize = 15;

/// How what judges the items was itself judged.
struct Tests {
    planted: PlantedReport,
    judge: Option<JudgeReport>,
}

impl Draft {
    /// The least grounding of its turns.
    pub(super) fn grounding(&self) -> f64 {
        self.turns.iter().map(|turn| turn.grounding.value).fold(1.0, f64::min)
    }
}

pub(super) fn finish(mut run: Run<'_>, watch: &mut dyn Watch) -> Result<RunReport, PipelineError> {
    run.tell(Stage::Finalization, watch);
    let clock = run.pipeline.clock;
    let settings = run.pipeline.settings;
    let begin = clock.now();
    let conversion: Vec<f64> = run.admitted.iter().map(|document| document.conversion).collect();
    let drafts = std::mem::take(&mut run.drafts);
    let (mut settled, order) = weigh(drafts, &conversion, settings, &mut run.clusters);
    let weighed = clock.now();
    run.times.add(Stage::Finalization, "choose", weighed - begin);
    let judge = examine(&mut run, &mut settled, &order)?;
    let examined = clock.now();
    run.times.add(Stage::Conversations, "examine", examined - weighed);
    close(&mut settled, &order, settings);
    let chosen = clock.now();
    run.times.add(Stage::Finalization, "choose", chosen - examined);
    let splits = splits_of(&mut run);
    let (items, rejected, item_counts) = records_of(&run, &settled, &splits);
    close_documents(&mut run, &settled, &splits);
    let planted = plant_into(&run, &items)?;
    let measured = clock.now();
    run.times.add(Stage::Finalization, "plant", measured - chosen);
    let tests = Tests { planted, judge };
    let card = write_files(&mut run, &items, &rejected, item_counts, tests, &settled)?;
    run.times.add(Stage::Finalization, "write", clock.now() - measured);
    let report = report_of(&run, &card);
    let mut bytes = serde_json::to_vec_pretty(&report)
        .map_err(|error| PipelineError::Form { what: "the report", problem: error.to_string() })?;
    bytes.push(b'\n');
    weighbridge_store::replace(&run.options.output.join("report.json"), &bytes)?;
    Ok(report)
}

/// The split of each document: that of its cluster, which is named after the least digest in it.
fn splits_of(run: &mut Run<'_>) -> Vec<Split> {
    let roots = run.clusters.roots();
    let mut names: BTreeMap<usize, String> = BTreeMap::new();
    for (number, root) in roots.iter().enumerate() {
        let record = &run.admitted[number].record;
        let digest = record.document.clone().unwrap_or_else(|| record.file.clone());
        let name = names.entry(*root).or_insert_with(|| digest.clone());
        if digest < *name {
            *name = digest;
        }
    }
    let settings = run.pipeline.settings;
    roots.iter().map(|root| split_of(&names[root], settings.seed, &settings.split)).collect()
}

fn records_of(
    run: &Run<'_>,
    settled: &[Settled],
    splits: &[Split],
) -> (Vec<ItemRecord>, Vec<RejectedRecord>, StateCounts) {
    let mut items = Vec::new();
    let mut rejected = Vec::new();
    let mut counts = StateCounts::default();
    for item in settled {
        let document = &run.admitted[item.draft.document].record;
        let digest = document.document.clone().unwrap_or_default();
        if let Some((reason, detail)) = &item.refusal {
            let state = State::Rejected(reason.name().to_owned());
            counts.count(&state);
            let question = if item.draft.turns.is_empty() { String::new() } else { item.question(0).to_owned() };
            let answer = item.draft.turns.first().map(|turn| turn.answer.clone()).unwrap_or_default();
            rejected.push(RejectedRecord {
                version: DATASET_VERSION,
                document: digest,
                chunk: item.draft.chunk,
                state,
                detail: detail.clone(),
                question,
                answer,
            });
            continue;
        }
        let doubts = item.doubts();
        counts.count(&if doubts.is_empty() { State::Ok } else { State::Degraded("doubtful_evidence".to_owned()) });
        let turns: Vec<TurnRecord> = item
            .draft
            .turns
            .iter()
            .enumerate()
            .map(|(at, turn)| TurnRecord {
                question: item.question(at).to_owned(),
                answer: turn.answer.clone(),
                evidence: turn.spans.clone(),
                alignment: turn.alignment,
            })
            .collect();
        let said: Vec<(&str, &str)> = turns.iter().map(|turn| (turn.question.as_str(), turn.answer.as_str())).collect();
        let language = document.measured.as_ref().and_then(|measured| measured.language.code.clone());
        items.push(ItemRecord {
            version: DATASET_VERSION,
            id: digest_of(&(&digest, item.draft.chunk, item.draft.number, said))[..16].to_owned(),
            split: splits[item.draft.document],
            kind: item.draft.kind,
            class: item.draft.class.clone(),
            document: digest,
            path: document.path.clone(),
            licence: document.licence.clone(),
            chunk: item.draft.chunk,
            language,
            turns,
            score: item.score.clone(),
            doubts,
        });
    }
    (items, rejected, counts)
}

/// Gives every document its final state.
fn close_documents(run: &mut Run<'_>, settled: &[Settled], splits: &[Split]) {
    let mut scores: Vec<Vec<f64>> = run.admitted.iter().map(|_| Vec::new()).collect();
    let mut technical = vec![0_u64; scores.len()];
    let mut asked: Vec<Vec<usize>> = run.admitted.iter().map(|_| Vec::new()).collect();
    for item in settled {
        let number = item.draft.document;
        run.admitted[number].groundings.push(item.draft.grounding());
        run.admitted[number].record.items += 1;
        if item.refusal.is_none() {
            scores[number].push(item.score.score);
            technical[number] += u64::from(
                item.draft.turns.iter().any(|turn| words(&turn.answer).iter().any(crate::words::Word::is_hard)),
            );
            if asked[number].last() != Some(&item.draft.chunk) {
                asked[number].push(item.draft.chunk);
            }
        }
    }
    for (number, document) in run.admitted.iter_mut().enumerate() {
        let kept = scores[number].len() as u64;
        let record = &mut document.record;
        record.items_kept = kept;
        record.quality = (kept > 0).then(|| scores[number].iter().sum::<f64>() / kept as f64);
        record.split = (kept > 0).then(|| splits[number]);
        let chunks = record.chunks.len() as u64;
        record.reference =
            reference_score(chunks, asked[number].len() as u64, &document.groundings, kept, technical[number]);
        if matches!(record.state, State::Rejected(_) | State::Failed(_)) {
            continue;
        }
        let is_failed = |chunk: &crate::finalize::ChunkRecord| matches!(chunk.state, State::Failed(_));
        let is_used = |chunk: &crate::finalize::ChunkRecord| matches!(chunk.state, State::Ok | State::Degraded(_));
        let failed = record.chunks.iter().filter(|chunk| is_failed(chunk)).count();
        record.state = match () {
            () if failed > 0 && !record.chunks.iter().any(is_used) => State::Failed("model".to_owned()),
            () if failed > 0 => State::Degraded("failed_chunks".to_owned()),
            () if record.chunks.iter().any(|chunk| matches!(chunk.state, State::Degraded(_))) => {
                State::Degraded("degraded_chunks".to_owned())
            }
            () if matches!(record.state, State::Degraded(_)) => continue,
            () if kept == 0 => State::Degraded("no_items".to_owned()),
            () => State::Ok,
        };
    }
}

/// Plants errors into the answers of the first items, by their ids, and counts what the grounding sees of them.
fn plant_into(run: &Run<'_>, items: &[ItemRecord]) -> Result<PlantedReport, PipelineError> {
    let mut order: Vec<&ItemRecord> = items.iter().collect();
    order.sort_by(|one, two| one.id.cmp(&two.id));
    order.truncate(PLANTED_ITEMS);
    order.sort_by(|one, two| one.document.cmp(&two.document));
    let mut cases: Vec<(String, Vec<String>)> = Vec::new();
    let mut text = (String::new(), String::new());
    for item in order {
        if text.0 != item.document {
            let path = run.options.output.join("documents").join(format!("{}.md", item.document));
            text = (item.document.clone(), std::fs::read_to_string(&path).map_err(PipelineError::io("read", &path))?);
        }
        for turn in &item.turns {
            let cited = turn.evidence.iter().filter_map(|span| text.1.get(span.start..span.end)).map(str::to_owned);
            cases.push((turn.answer.clone(), cited.collect()));
        }
    }
    let joined: Vec<String> = cases.iter().map(|(_, cited)| cited.join("\n")).collect();
    let prepared = cases.iter().zip(&joined).map(|((answer, cited), joined)| {
        (answer.as_str(), Evidence::new(cited.iter().map(String::as_str)), joined.as_str())
    });
    Ok(planted_report(prepared, run.pipeline.settings.gates.grounding, run.pipeline.settings.seed))
}

fn write_files(
    run: &mut Run<'_>,
    items: &[ItemRecord],
    rejected: &[RejectedRecord],
    item_counts: StateCounts,
    tests: Tests,
    settled: &[Settled],
) -> Result<Card, PipelineError> {
    let folder = &run.options.output;
    // Without its card, a folder is not whole.
    match std::fs::remove_file(card_path(folder)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(PipelineError::io("replace", &card_path(folder))(error));
        }
        _ => {}
    }
    let mut files = write_dataset(folder, items, run.pipeline.settings)?;
    let extractions = std::mem::replace(&mut run.extractions, Lines::new()?);
    files.push(extractions.write(folder, "extractions.jsonl.zst")?);
    let mut lines = Lines::new()?;
    for item in rejected {
        lines.push(item)?;
    }
    files.push(lines.write(folder, "rejected.jsonl.zst")?);
    let mut lines = Lines::new()?;
    for document in &run.admitted {
        lines.push(&document.record)?;
    }
    files.push(lines.write(folder, "documents.jsonl.zst")?);
    files.sort_by(|one, two| one.name.cmp(&two.name));
    let card = card_of(run, items, item_counts, tests, settled, files);
    card.write(folder)?;
    Ok(card)
}

fn card_of(
    run: &mut Run<'_>,
    items: &[ItemRecord],
    item_counts: StateCounts,
    tests: Tests,
    settled: &[Settled],
    files: Vec<crate::finalize::FileEntry>,
) -> Card {
    let count = |names: &mut dyn Iterator<Item = String>| {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        names.for_each(|name| *counts.entry(name).or_insert(0) += 1);
        counts
    };
    let (mut documents, mut chunks) = (StateCounts::default(), StateCounts::default());
    let (mut pages, mut tokens) = (0, 0);
    for document in &run.admitted {
        documents.count(&document.record.state);
        document.record.chunks.iter().for_each(|chunk| chunks.count(&chunk.state));
        if matches!(document.record.state, State::Ok | State::Degraded(_)) {
            pages += document.record.pages;
            tokens += document.record.tokens;
        }
    }
    let unknown = |name: &Option<String>| name.clone().unwrap_or_else(|| "unknown".to_owned());
    let used = || run.admitted.iter().map(|document| &document.record).filter(|record| record.items_kept > 0);
    let mut diversity = Diversity::default();
    for item in settled.iter().filter(|item| item.refusal.is_none()) {
        (0..item.draft.turns.len()).for_each(|turn| diversity.add(item.question(turn)));
    }
    let (mut first_words, mut patterns) = (diversity.first_words(), diversity.patterns());
    first_words.truncate(NAMED);
    patterns.truncate(NAMED);
    let digests: Vec<&str> = run.admitted.iter().map(|document| document.record.file.as_str()).collect();
    let settings = run.pipeline.settings.clone();
    let references: Vec<f64> = used().filter_map(|record| record.reference).map(|score| score.score).collect();
    let mut cluster_sizes: BTreeMap<usize, u64> = BTreeMap::new();
    let licences = count(&mut used().map(|record| unknown(&record.licence)));
    let formats = count(&mut run.admitted.iter().map(|document| unknown(&document.record.format)));
    let digest = digest_of(&(&settings, &run.model_name, &digests));
    for root in run.clusters.roots() {
        *cluster_sizes.entry(root).or_insert(0) += 1;
    }
    Card {
        version: CARD_VERSION,
        digest,
        documents,
        chunks,
        is_too_small: items.len() < settings.output.least_items,
        items: item_counts,
        extractions: run.extraction_counts.clone(),
        losses: run.losses,
        splits: count(&mut items.iter().map(|item| item.split.name().to_owned())),
        types: count(&mut items.iter().map(|item| item.kind.name().to_owned())),
        languages: count(&mut items.iter().map(|item| unknown(&item.language))),
        licences,
        formats,
        pages,
        tokens,
        tokens_estimated: run.counter.is_estimate(),
        shared_clusters: cluster_sizes.values().filter(|size| **size > 1).count() as u64,
        quality: quality_of(items, &references),
        planted: tests.planted,
        judge: tests.judge,
        first_words,
        patterns,
        model: run.model_name.clone(),
        calls: run.calls_used,
        settings,
        files,
    }
}

fn quality_of(items: &[ItemRecord], references: &[f64]) -> QualityCard {
    let scores: Vec<f64> = items.iter().map(|item| item.score.score).collect();
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        let (mut sum, mut count) = (0.0, 0_u32);
        values.for_each(|value| {
            sum += value;
            count += 1;
        });
        (count > 0).then(|| sum / f64::from(count))
    };
    let average = mean(&mut scores.iter().copied());
    let mut histogram = [0; 10];
    for score in &scores {
        let bin = (0..10).rev().find(|bin| *score >= f64::from(*bin) / 10.0).unwrap_or(0);
        histogram[usize::try_from(bin).unwrap_or(0)] += 1;
    }
    let deviation = average.filter(|_| scores.len() >= 2).map(|average| {
        let squares: f64 = scores.iter().map(|score| (score - average).powi(2)).sum();
        (squares / (scores.len() - 1) as f64).sqrt()
    });
    type Term = (&'static str, fn(&ItemRecord) -> f64);
    let terms: [Term; 5] = [
        ("grounding", |item| item.score.grounding),
        ("answerability", |item| item.score.answerability.value()),
        ("conversion", |item| item.score.conversion),
        ("well_formed", |item| item.score.well_formed),
        ("non_redundancy", |item| item.score.non_redundancy),
    ];
    let terms = terms.into_iter().filter_map(|(name, of)| Some((name.to_owned(), mean(&mut items.iter().map(of))?)));
    // Items of one document are alike: the interval is that of clusters.
    let mut names: Vec<&str> = items.iter().map(|item| item.document.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut clusters = ClusterSums::default();
    for item in items {
        let cluster = names.binary_search(&item.document.as_str()).unwrap_or(0);
        clusters.add(cluster, item.score.score, 1.0);
    }
    let interval = clusters.mean(Confidence::P95).ok();
    QualityCard {
        n: scores.len() as u64,
        mean: average,
        mean_interval: interval.map(|estimate| (estimate.interval.low, estimate.interval.high)),
        deviation,
        histogram,
        terms: terms.collect(),
        answerability: how_answerable(items).to_owned(),
        reference_mean: mean(&mut references.iter().copied()),
    }
}

/// How answerability was measured, in words.
fn how_answerable(items: &[ItemRecord]) -> &'static str {
    let is_lexical = |item: &&ItemRecord| matches!(item.score.answerability, Answerability::Lexical(_));
    match items.iter().filter(is_lexical).count() {
        0 if !items.is_empty() => {
            "measured by round trip: F1 of an answer from the cited bytes less that of one from nothing"
        }
        count if count == items.len() => {
            "lexical: the share of the question's words of content in the cited bytes and the headings above them"
        }
        _ => "measured by round trip where the model replied, else lexical",
    }
}

fn report_of(run: &Run<'_>, card: &Card) -> RunReport {
    let wall = (run.pipeline.clock.now() - run.begin).as_secs_f64();
    let per_hour = (wall > 0.0).then(|| card.documents.admitted as f64 * 3600.0 / wall);
    let error_percent = card.documents.error_rate().map(|rate| rate * 100.0);
    let verdicts = Target::ALL.into_iter().map(|target| match target {
        Target::DocumentsPerHour => target.judge(per_hour, None),
        Target::Quality => target.judge(card.quality.mean, card.quality.mean_interval),
        Target::ErrorPercent => target.judge(error_percent, error_interval(&card.documents)),
        Target::MemoryPercent | Target::ModelSwitchSeconds | Target::CpuPercent | Target::GpuPercent => {
            target.judge(None, None)
        }
    });
    RunReport {
        version: REPORT_VERSION,
        model: run.model_name.clone(),
        concurrency: run.options.concurrency,
        wall_seconds: wall,
        documents_per_hour: per_hour,
        pages: card.pages,
        tokens: card.tokens,
        tokens_estimated: card.tokens_estimated,
        documents: card.documents.clone(),
        chunks: card.chunks.clone(),
        items: card.items.clone(),
        error_rate: card.documents.error_rate(),
        quality_mean: card.quality.mean,
        quality_interval: card.quality.mean_interval,
        quality_deviation: card.quality.deviation,
        chunks_resumed: run.resumed,
        calls: run.calls_now,
        stages: run.times.rows(),
        bottleneck: run.times.bottleneck(),
        verdicts: verdicts.collect(),
    }
}

/// The 95 % interval (Wilson) of the error rate, per cent.
fn error_interval(documents: &StateCounts) -> Option<(f64, f64)> {
    let (failed, all) = (usize::try_from(documents.failures()).ok()?, usize::try_from(documents.admitted).ok()?);
    let estimate = weighbridge_stats::proportion::wilson(failed, all, Confidence::P95).ok()?;
    Some((estimate.interval.low * 100.0, estimate.interval.high * 100.0))
}
