//! The runner over the stages.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use weighbridge_convert::{Grade, RefusalKind};
use weighbridge_engine::Tokenizer;
use weighbridge_types::time::Clock;

use super::batch::{Done, Job, Workers};
use super::draft::{Draft, SpanRecord};
use super::error::PipelineError;
use super::finish::finish;
use super::journal::Journal;
use super::model::Model;
use super::report::RunReport;
use super::source::{Source, SourceDocument};
use super::state::State;
use super::times::{Stage, StageTimes};
use super::work::{Calls, ChunkResult, chunk_key};
use crate::adaptive::complexity;
use crate::dedup::{Clusters, SimilarTexts};
use crate::digest::sha256_hex;
use crate::extract::Losses;
use crate::finalize::{ChunkRecord, DATASET_VERSION, DocumentRecord, ExtractionRecord, Lines};
use crate::preprocess::{Prepared, TokenCounter, prepare, refuse};
use crate::settings::Settings;
use crate::words::count_words;

/// Documents of a batch at most.
const BATCH_DOCUMENTS: usize = 64;
/// Tokens from which on a batch is full: documents are worked on together by what they cost, not by their number.
const BATCH_TOKENS: u64 = 200_000;
/// Chunks worked on at once at most.
const CONCURRENCY_MOST: usize = 256;

/// How a run is carried out: what does not change what comes of it.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The folder of the data set; it is made where it is not there.
    pub output: PathBuf,
    /// Chunks that are worked on at once, 1 to 256.
    pub concurrency: usize,
    /// Set it to stop the run: calls in flight end, what was finished is kept.
    pub stop: Arc<AtomicBool>,
}

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// The stage that is being worked on.
    pub stage: Option<Stage>,
    /// Documents that came in.
    pub documents: u64,
    /// Documents in all, where known.
    pub documents_total: Option<u64>,
    /// Chunks that ended.
    pub chunks: u64,
    /// Chunks that are known of.
    pub chunks_total: u64,
    /// Candidates so far.
    pub candidates: u64,
    /// Mean grounding of them so far; `None` without any.
    pub grounding_mean: Option<f64>,
    /// Since the start, s.
    pub elapsed_seconds: f64,
}

/// Sees how far a run is. Called by the thread that runs the pipeline, after each chunk and each document; it must return
/// at once.
pub trait Watch {
    /// Takes how far the run is.
    fn progress(&mut self, progress: &Progress);
}

impl<F: FnMut(&Progress)> Watch for F {
    fn progress(&mut self, progress: &Progress) {
        self(progress);
    }
}

/// A pipeline that is ready to run. It blocks its thread: the edge runs it on one of its own.
#[derive(Debug)]
pub struct Pipeline<'a> {
    /// What is wanted.
    pub settings: &'a Settings,
    /// Who answers prompts; `None` works by patterns alone.
    pub model: Option<&'a dyn Model>,
    /// Counts tokens; `None` estimates them.
    pub tokenizer: Option<Arc<dyn Tokenizer>>,
    /// The clock of the run.
    pub clock: Clock,
}

impl Pipeline<'_> {
    /// Makes a data set of documents. A run that was killed is gone on with by running it again on the same folder: what was paid for is in its
    /// journal, and the files are the same to the byte.
    ///
    /// # Errors
    ///
    /// When a setting is out of range, the folder cannot be written or is in use, or the run was told to stop.
    pub fn run(
        &self,
        source: &mut dyn Source,
        options: &RunOptions,
        watch: &mut dyn Watch,
    ) -> Result<RunReport, PipelineError> {
        self.settings.check()?;
        let documents = options.output.join("documents");
        std::fs::create_dir_all(&documents).map_err(PipelineError::io("make", &documents))?;
        let journal = Journal::open(&options.output.join("journal"))?;
        let mut run = Run::new(self, options, journal, source.total())?;
        loop {
            let batch = run.admit(source, watch)?;
            if batch.is_empty() {
                break;
            }
            run.work(batch, watch)?;
        }
        finish(run, watch)
    }
}

/// A document of a run.
pub(super) struct Admitted {
    pub record: DocumentRecord,
    pub conversion: f64,
    /// What its items are grounded to, rejected ones among them.
    pub groundings: Vec<f64>,
}

/// A document that is being worked on.
struct Current {
    number: usize,
    prepared: Option<Prepared>,
}

pub(super) struct Run<'a> {
    pub pipeline: &'a Pipeline<'a>,
    pub options: &'a RunOptions,
    pub journal: Journal,
    pub counter: TokenCounter,
    pub model_name: Option<String>,
    pub admitted: Vec<Admitted>,
    pub clusters: Clusters,
    pub drafts: Vec<Draft>,
    pub extractions: Lines,
    pub extraction_counts: std::collections::BTreeMap<String, u64>,
    pub losses: Losses,
    /// Calls behind the results that are used.
    pub calls_used: Calls,
    /// Calls of this run.
    pub calls_now: Calls,
    pub resumed: u64,
    pub times: StageTimes,
    pub begin: weighbridge_types::time::Stamp,
    pub progress: Progress,
    grounding_sum: f64,
    /// Documents by the digest of their text.
    texts: HashMap<String, usize>,
    similar: SimilarTexts,
    /// The document of each chunk among the similar ones.
    similar_documents: Vec<usize>,
}

impl<'a> Run<'a> {
    fn new(
        pipeline: &'a Pipeline<'a>,
        options: &'a RunOptions,
        journal: Journal,
        total: Option<u64>,
    ) -> Result<Self, PipelineError> {
        Ok(Self {
            pipeline,
            options,
            journal,
            counter: TokenCounter::new(pipeline.tokenizer.clone()),
            model_name: pipeline.model.map(Model::name),
            admitted: Vec::new(),
            clusters: Clusters::default(),
            drafts: Vec::new(),
            extractions: Lines::new()?,
            extraction_counts: std::collections::BTreeMap::new(),
            losses: Losses::default(),
            calls_used: Calls::default(),
            calls_now: Calls::default(),
            resumed: 0,
            times: StageTimes::default(),
            begin: pipeline.clock.now(),
            progress: Progress { documents_total: total, ..Progress::default() },
            grounding_sum: 0.0,
            texts: HashMap::new(),
            similar: SimilarTexts::new(),
            similar_documents: Vec::new(),
        })
    }

    /// Takes documents until a batch is full. Empty: there are no more.
    fn admit(&mut self, source: &mut dyn Source, watch: &mut dyn Watch) -> Result<Vec<Current>, PipelineError> {
        let mut batch = Vec::new();
        let mut tokens = 0;
        while batch.len() < BATCH_DOCUMENTS && tokens < BATCH_TOKENS {
            self.go_on()?;
            self.tell(Stage::Conversion, watch);
            let begin = self.pipeline.clock.now();
            let Some(document) = source.next_document() else { break };
            let waited = self.pipeline.clock.now() - begin;
            // What the source measured itself; the rest of the wait is that of finding and reading.
            let reading = waited.saturating_sub(document.converted_in).max(document.read_in);
            self.times.add(Stage::Input, "read", reading);
            self.times.add(Stage::Conversion, "convert", document.converted_in);
            let current = self.prepare(document)?;
            tokens += self.admitted[current.number].record.tokens;
            batch.push(current);
            self.progress.documents += 1;
        }
        Ok(batch)
    }

    fn go_on(&self) -> Result<(), PipelineError> {
        if self.options.stop.load(Ordering::Relaxed) { Err(PipelineError::Stopped) } else { Ok(()) }
    }

    pub(super) fn tell(&mut self, stage: Stage, watch: &mut dyn Watch) {
        self.progress.stage = Some(stage);
        self.progress.elapsed_seconds = (self.pipeline.clock.now() - self.begin).as_secs_f64();
        watch.progress(&self.progress);
    }

    fn prepare(&mut self, document: SourceDocument) -> Result<Current, PipelineError> {
        let number = self.admitted.len();
        self.clusters.add();
        let mut record = record_of(&document, self.counter.is_estimate());
        let mut current = Current { number, prepared: None };
        let mut conversion = 0.0;
        match document.outcome {
            Err(refusal) => {
                record.state = refused_state(refusal.kind);
                record.detail = refusal.detail;
            }
            Ok(converted) => {
                let begin = self.pipeline.clock.now();
                let prepared = prepare(&converted, self.pipeline.settings, &self.counter);
                self.times.add(Stage::Preprocessing, "measure_and_split", self.pipeline.clock.now() - begin);
                conversion = prepared.measured.conversion.score;
                let chunks = self.judge(number, &mut record, &prepared);
                if chunks.iter().any(|chunk| chunk.state == State::Ok) {
                    let digest = record.document.clone().unwrap_or_default();
                    self.freeze(&digest, &prepared.cleaned.text)?;
                    current.prepared = Some(prepared);
                }
                record.chunks = chunks;
            }
        }
        self.progress.chunks_total += record.chunks.iter().filter(|chunk| chunk.state == State::Ok).count() as u64;
        self.admitted.push(Admitted { record, conversion, groundings: Vec::new() });
        Ok(current)
    }

    /// Decides on a document and its chunks before anything is paid for. No chunks: the document goes no further.
    fn judge(&mut self, number: usize, record: &mut DocumentRecord, prepared: &Prepared) -> Vec<ChunkRecord> {
        let digest = sha256_hex(prepared.cleaned.text.as_bytes());
        record.document = Some(digest.clone());
        record.tokens = prepared.chunks.iter().map(|chunk| chunk.tokens).sum();
        let text = &prepared.cleaned.text;
        record.complexity = Some(complexity(text, &prepared.blocks, &prepared.measured.signals));
        record.measured = Some(prepared.measured.clone());
        if let Some(refusal) = refuse(&prepared.measured, self.pipeline.settings) {
            record.state = State::Rejected(refusal.name().to_owned());
            return Vec::new();
        }
        if let Some(&first) = self.texts.get(&digest) {
            self.clusters.join(first, number);
            record.state = State::Rejected("duplicate".to_owned());
            record.detail = format!("the same text as `{}`", self.admitted[first].record.path);
            return Vec::new();
        }
        self.texts.insert(digest, number);
        let begin = self.pipeline.clock.now();
        let chunks: Vec<ChunkRecord> =
            prepared.chunks.iter().map(|chunk| self.judge_chunk(number, chunk, text)).collect();
        self.times.add(Stage::Preprocessing, "near_duplicates", self.pipeline.clock.now() - begin);
        if !chunks.iter().any(|chunk| chunk.state == State::Ok) {
            let is_repeated = chunks.iter().any(|chunk| chunk.state == State::Rejected("near_duplicate".to_owned()));
            record.state = State::Rejected(if is_repeated { "near_duplicate" } else { "poor_content" }.to_owned());
        }
        chunks
    }

    fn judge_chunk(&mut self, number: usize, chunk: &crate::preprocess::Chunk, text: &str) -> ChunkRecord {
        let mut record = ChunkRecord {
            parts: chunk.parts.iter().map(|part| (part.start, part.end)).collect(),
            tokens: chunk.tokens,
            state: State::Ok,
            detail: String::new(),
        };
        let own = chunk.text(text);
        if count_words(&own) < self.pipeline.settings.preprocessing.least_chunk_words {
            record.state = State::Rejected("too_short".to_owned());
            return record;
        }
        let signed = self.similar.sign(&own);
        let least = self.pipeline.settings.deduplication.text_similarity;
        let nearest = self.similar.nearest(&signed).filter(|nearest| nearest.similarity >= least);
        if let Some(nearest) = nearest {
            let other = self.similar_documents[nearest.number];
            self.clusters.join(other, number);
            let path = self.admitted.get(other).map_or("the same document", |other| &other.record.path);
            record.state = State::Rejected("near_duplicate".to_owned());
            record.detail = format!("{:.3} to a chunk of `{path}`", nearest.similarity);
            return record;
        }
        self.similar.insert(signed);
        self.similar_documents.push(number);
        record
    }

    /// Writes the text that spans refer to. It is named by its content, and not written twice.
    fn freeze(&self, digest: &str, text: &str) -> Result<(), PipelineError> {
        let path = self.options.output.join("documents").join(format!("{digest}.md"));
        let is_there = std::fs::metadata(&path).is_ok_and(|found| found.len() == text.len() as u64);
        if !is_there {
            weighbridge_store::replace(&path, text.as_bytes())?;
        }
        Ok(())
    }

    /// Works on the chunks of a batch.
    fn work(&mut self, batch: Vec<Current>, watch: &mut dyn Watch) -> Result<(), PipelineError> {
        let jobs = self.jobs(&batch)?;
        let prepared: Vec<Option<Prepared>> = batch.into_iter().map(|current| current.prepared).collect();
        let pipeline = self.pipeline;
        let stop = Arc::clone(&self.options.stop);
        let workers = Workers {
            settings: pipeline.settings,
            model: pipeline.model,
            clock: pipeline.clock,
            concurrency: self.options.concurrency.clamp(1, CONCURRENCY_MOST),
            stop: &stop,
        };
        let mut results: Vec<Option<ChunkResult>> = jobs.iter().map(|_| None).collect();
        let mut drafts = Vec::new();
        workers.work(&jobs, &prepared, |done| self.take(done, &jobs, &mut results, &mut drafts, watch))?;
        self.journal.sync()?;
        self.go_on()?;
        self.drafts.append(&mut drafts);
        // In the order of the documents, whatever the order in which they were done.
        for (job, result) in jobs.iter().zip(results) {
            if let (Some(result), Some(Some(prepared))) = (result, prepared.get(job.place)) {
                self.record_extractions(job, &result, prepared)?;
            }
        }
        Ok(())
    }

    fn jobs(&mut self, batch: &[Current]) -> Result<Vec<Job>, PipelineError> {
        let mut jobs = Vec::new();
        for (place, current) in batch.iter().enumerate() {
            let Some(prepared) = &current.prepared else { continue };
            let text = &prepared.cleaned.text;
            for (index, chunk) in prepared.chunks.iter().enumerate() {
                if self.admitted[current.number].record.chunks[index].state != State::Ok {
                    continue;
                }
                let (own, headings) = (chunk.text(text), chunk.heading_texts(text));
                let key = chunk_key(&own, &headings, self.pipeline.settings, self.model_name.as_deref());
                let known = self.journal.get::<ChunkResult>(&key)?;
                self.resumed += u64::from(known.is_some());
                jobs.push(Job { document: current.number, place, chunk: index, text: own, headings, key, known });
            }
        }
        Ok(jobs)
    }

    fn take(
        &mut self,
        done: Done,
        jobs: &[Job],
        results: &mut [Option<ChunkResult>],
        drafts: &mut Vec<Draft>,
        watch: &mut dyn Watch,
    ) -> Result<(), PipelineError> {
        let job = &jobs[done.job];
        self.times.merge(&done.times);
        if let Some(failure) = &done.failure {
            self.calls_now.failed += 1;
            self.admitted[job.document].record.chunks[job.chunk].detail = failure.problem.clone();
        }
        self.progress.chunks += 1;
        match done.outcome {
            Err(failure) => {
                self.calls_now.failed += 1;
                let record = &mut self.admitted[job.document].record.chunks[job.chunk];
                record.state = State::Failed("model".to_owned());
                record.detail = failure.problem;
            }
            Ok(result) => {
                if done.is_new {
                    self.calls_now.add(&result.calls);
                    self.journal.put(&job.key, &result)?;
                    // What was paid for is made durable at once; patterns are cheaper to repeat than a wait for the disk.
                    if result.calls.answered > 0 {
                        self.journal.sync()?;
                    }
                }
                if let Some(reason) = &result.degraded {
                    self.admitted[job.document].record.chunks[job.chunk].state = State::Degraded(reason.clone());
                }
                self.losses.add(&result.losses);
                self.calls_used.add(&result.calls);
                self.progress.candidates += done.drafts.len() as u64;
                self.grounding_sum += done.drafts.iter().map(Draft::grounding).sum::<f64>();
                let count = self.progress.candidates;
                self.progress.grounding_mean = (count > 0).then(|| self.grounding_sum / count as f64);
                results[done.job] = Some(result);
                drafts.extend(done.drafts);
            }
        }
        let stage = if self.pipeline.model.is_some() { Stage::Extraction } else { Stage::Conversations };
        self.tell(stage, watch);
        Ok(())
    }

    fn record_extractions(
        &mut self,
        job: &Job,
        result: &ChunkResult,
        prepared: &Prepared,
    ) -> Result<(), PipelineError> {
        let document = self.admitted[job.document].record.document.clone().unwrap_or_default();
        for extraction in &result.extractions {
            *self.extraction_counts.entry(extraction.class.clone()).or_insert(0) += 1;
            let located = prepared.chunks[job.chunk].locate(&extraction.span);
            let spans = located.iter().map(|range| SpanRecord::of(&prepared.cleaned, range)).collect();
            self.extractions.push(&ExtractionRecord::new(&document, job.chunk, extraction, &job.text, spans))?;
        }
        Ok(())
    }
}

fn record_of(document: &SourceDocument, tokens_estimated: bool) -> DocumentRecord {
    let converted = document.outcome.as_ref().ok();
    let doubts = match converted.map(|converted| &converted.grade) {
        Some(Grade::Degraded(reasons)) => reasons.join("; "),
        _ => String::new(),
    };
    DocumentRecord {
        version: DATASET_VERSION,
        path: document.path.clone(),
        state: if doubts.is_empty() { State::Ok } else { State::Degraded("doubtful_conversion".to_owned()) },
        detail: doubts,
        file: document.file.clone(),
        document: None,
        bytes: document.bytes,
        licence: document.licence.clone(),
        format: converted.map(|converted| converted.format.name().to_owned()),
        title: converted.and_then(|converted| converted.title.clone()),
        pages: converted.map_or(0, |converted| converted.pages.len() as u64),
        tokens: 0,
        tokens_estimated,
        complexity: None,
        measured: None,
        chunks: Vec::new(),
        items: 0,
        items_kept: 0,
        quality: None,
        reference: None,
        split: None,
    }
}

/// A document that its kind or content rules out is rejected; one that something went wrong with has failed.
fn refused_state(kind: RefusalKind) -> State {
    let reason = kind.name().to_owned();
    match kind {
        RefusalKind::Unsupported
        | RefusalKind::Encrypted
        | RefusalKind::NeedsOcr
        | RefusalKind::Mojibake
        | RefusalKind::Empty
        | RefusalKind::TooLarge => State::Rejected(reason),
        RefusalKind::Damaged | RefusalKind::TimedOut | RefusalKind::Crashed => State::Failed(reason),
    }
}

/// Where the data set of a folder describes itself.
#[must_use]
pub(super) fn card_path(output: &Path) -> PathBuf {
    output.join("card.json")
}
