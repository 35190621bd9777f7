//! Task files in the binary, and the samples that some of them bring.

use std::path::{Path, PathBuf};

/// What the paths of shipped files begin with; no folder has this name.
const ROOT: &str = "weighbridge:";

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../tasks/", $name)))),*]
    };
}

/// Path below the root, and text.
const FILES: &[(&str, &str)] = &files![
    "domains/_choice.yaml",
    "domains/_form.yaml",
    "domains/_written.yaml",
    "domains/creativity.yaml",
    "domains/creativity_easy.yaml",
    "domains/creativity_hard.yaml",
    "domains/creativity_medium.yaml",
    "domains/creativity_open.yaml",
    "domains/domains.yaml",
    "domains/integration.yaml",
    "domains/integration_easy.yaml",
    "domains/integration_hard.yaml",
    "domains/integration_medium.yaml",
    "domains/knowledge.yaml",
    "domains/knowledge_easy.yaml",
    "domains/knowledge_hard.yaml",
    "domains/knowledge_medium.yaml",
    "domains/language.yaml",
    "domains/language_easy.yaml",
    "domains/language_hard.yaml",
    "domains/language_medium.yaml",
    "domains/reasoning.yaml",
    "domains/reasoning_easy.yaml",
    "domains/reasoning_hard.yaml",
    "domains/reasoning_medium.yaml",
    "domains/social.yaml",
    "domains/social_easy.yaml",
    "domains/social_hard.yaml",
    "domains/social_medium.yaml",
    "public/bbh.yaml",
    "public/bbq.yaml",
    "public/bfcl.yaml",
    "public/blimp.yaml",
    "public/crows_pairs.yaml",
    "public/e2e_nlg.yaml",
    "public/eq_bench.yaml",
    "public/gsm8k.yaml",
    "public/humaneval.yaml",
    "public/ifeval.yaml",
    "public/integration.yaml",
    "public/knowledge.yaml",
    "public/language.yaml",
    "public/mmlu.yaml",
    "public/mt_bench.yaml",
    "public/nq_open.yaml",
    "public/reasoning.yaml",
    "public/social.yaml",
    "public/truthfulqa_mc1.yaml",
    "public/winogender.yaml",
    "security/_cti_mcq.yaml",
    "security/_cve_cwe.yaml",
    "security/_email.yaml",
    "security/_logs.yaml",
    "security/_malware.yaml",
    "security/_ner.yaml",
    "security/_network.yaml",
    "security/_technique.yaml",
    "security/cti_mcq.yaml",
    "security/cti_mcq_sample.yaml",
    "security/cve_cwe.yaml",
    "security/cve_cwe_sample.yaml",
    "security/email.yaml",
    "security/email_sample.yaml",
    "security/logs.yaml",
    "security/logs_sample.yaml",
    "security/malware.yaml",
    "security/malware_sample.yaml",
    "security/ner.yaml",
    "security/ner_sample.yaml",
    "security/network.yaml",
    "security/network_sample.yaml",
    "security/samples/cti_mcq.jsonl",
    "security/samples/cve_cwe.jsonl",
    "security/samples/email.jsonl",
    "security/samples/logs.jsonl",
    "security/samples/malware.jsonl",
    "security/samples/ner.conll",
    "security/samples/network.jsonl",
    "security/samples/technique.jsonl",
    "security/technique.yaml",
    "security/technique_sample.yaml",
    "security/vulnerability.yaml",
];

/// The text of a shipped file; `None` where the path is one of this machine.
pub(super) fn text(path: &Path) -> Option<Result<&'static str, std::io::Error>> {
    let name = path.strip_prefix(ROOT).ok()?.to_str()?;
    let found = FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    Some(found.ok_or_else(|| std::io::ErrorKind::NotFound.into()))
}

/// The files that are tasks or groups; those that begin with `_` are only included.
pub(super) fn paths() -> Vec<PathBuf> {
    let is_own = |name: &&str| name.ends_with(".yaml") && !name.rsplit('/').next().unwrap_or(name).starts_with('_');
    FILES.iter().map(|(name, _)| *name).filter(is_own).map(|name| Path::new(ROOT).join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_ships() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tasks");
        let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        let shipped: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(shipped, found);
        assert!(text(Path::new("weighbridge:/none.yaml")).unwrap().is_err());
        assert!(text(Path::new("tasks/domains/domains.yaml")).is_none());
    }
}
