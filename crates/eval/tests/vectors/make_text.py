"""Makes text.json: what sacrebleu and rouge-score answer to the questions that tests/it/text.rs asks.

Run: pip install sacrebleu==2.6.0 rouge-score==0.1.2 && python make_text.py
The texts are made here by a seeded generator: sentences with shuffled blocks, dropped, doubled and replaced words,
punctuation, digits, and several scripts.
"""

import json
import pathlib
import random

import nltk
import sacrebleu
from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU, CHRF, TER

random.seed(11)
WORDS = """the a an of in on servers server serving attacks attacked attacking packet packets was were is found quickly,
relational conditional digitizer happy skies dying 3.5 1,000 10-20 (CVE-2021) "quoted" don't A/B e-mail end. new-line
größe über naïve 漢字 東京 €5 £3 «mot» … — 50% x=y user@host hopping tanned filing generalization oscillators""".split()


def sentence(n):
    return [random.choice(WORDS) for _ in range(n)]


def disturbed(words):
    words = list(words)
    for _ in range(random.randint(0, 4)):
        how = random.random()
        i = random.randrange(len(words)) if words else 0
        if how < 0.3 and words:
            words.pop(i)
        elif how < 0.5:
            words.insert(i, random.choice(WORDS))
        elif how < 0.7 and words:
            words[i] = random.choice(WORDS)
        elif len(words) > 4:
            block = words[i:i + random.randint(1, 6)]
            del words[i:i + len(block)]
            j = random.randint(0, len(words))
            words[j:j] = block
    return words


def line(words):
    return " ".join(words)


texts, references = [], []
for n in [0, 1, 2, 3, 4, 5, 8, 12, 15, 20, 25, 30, 40, 60, 90, 7, 9, 11, 13, 18, 22, 24, 26, 28]:
    base = sentence(n)
    texts.append(line(disturbed(base)))
    references.append([line(base), line(disturbed(disturbed(base)))])
texts += ["", "same text here", "a &amp; b <skipped> c-\nd\ne", "a b c d e f g h", "A.B, 1.2,3 .5 x-1 1-x", "tail  \t "]
references += [["", ""], ["same text here", "x"], ["a & b c d e", "a"], ["e f g h a b c d", "h g f e d c b a"],
               ["a.b 1.2", "5-6"], ["tail", "tails"]]


def values(metric, pick):
    refs = [[r[i] for r in references] for i in pick]
    single = []
    for text, ref in zip(texts, references):
        single.append(metric.sentence_score(text, [ref[i] for i in pick]).score)
    corpus = metric.corpus_score(texts, refs)
    signature = metric.get_signature().format()
    return {"corpus": corpus.score, "single": single, "signature": signature.rsplit("|version", 1)[0]}


metrics = {
    **{f"bleu_{tok}_{smooth}_{eff}": BLEU(tokenize=tok, smooth_method=smooth, effective_order=eff)
       for tok in ["13a", "intl", "char", "none"] for smooth in ["exp", "floor", "add-k", "none"] for eff in [False, True]},
    "bleu_lower": BLEU(lowercase=True, effective_order=True),
    "chrf": CHRF(), "chrf++": CHRF(word_order=2), "chrf_lower": CHRF(lowercase=True),
    "ter": TER(), "ter_case": TER(case_sensitive=True),
}
cases = {name: {"one": values(metric, [0]), "two": values(metric, [0, 1])} for name, metric in metrics.items()}

KINDS = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
rouge_texts = texts + ["first line here\nsecond line was there", "one two\n\nthree four five\n!!!\nsix", "İstanbul was found"]
rouge_references = references + [["second line was here\nfirst line there", "first"], ["three four\none two six", "six\n"],
                                 ["istanbul found", "i"]]
rouge = {}
for stem in [False, True]:
    scorer = rouge_scorer.RougeScorer(KINDS, use_stemmer=stem)
    rows = []
    for text, refs in zip(rouge_texts, rouge_references):
        found = scorer.score_multi(refs, text)
        rows.append([[found[k].precision, found[k].recall, found[k].fmeasure] for k in KINDS])
    rouge["stem" if stem else "plain"] = rows

stems = ["caresses", "ponies", "ties", "cats", "feed", "agreed", "plastered", "bled", "motoring", "sing", "conflated",
         "troubled", "sized", "hopping", "tanned", "falling", "hissing", "fizzed", "failing", "filing", "happy", "sky", "enjoy",
         "relational", "conditional", "rational", "valency", "hesitancy", "digitizer", "conformably", "radically",
         "differently", "vilely", "analogously", "vietnamization", "predication", "operator", "feudalism", "decisiveness",
         "hopefulness", "callousness", "formality", "sensitivity", "sensibility", "triplicate", "formative", "formalize",
         "electricity", "electrical", "hopeful", "goodness", "revival", "allowance", "inference", "airliner", "gyroscopic",
         "adjustable", "defensible", "irritant", "replacement", "adjustment", "dependent", "adoption", "homologous",
         "communism", "activate", "angularity", "effective", "bowdlerize", "probate", "rate", "cease", "controll", "roll",
         "geology", "hopefully", "skies", "dying", "succeed", "proceed", "died", "spied", "flies", "oscillators", "yyyy",
         "generalizations", "x86", "2021ing", "aeed", "eed", "ing", "ied", "syzygy", "biologically", "allied", "metallically"]
stemmer = PorterStemmer()
out = {
    "versions": {"sacrebleu": sacrebleu.__version__, "rouge-score": "0.1.2", "nltk": nltk.__version__},
    "texts": texts, "references": references, "metrics": cases,
    "rouge_texts": rouge_texts, "rouge_references": rouge_references, "rouge": rouge,
    "stems": [[word, stemmer.stem(word)] for word in stems],
}
path = pathlib.Path(__file__).with_name("text.json")
path.write_text(json.dumps(out, ensure_ascii=False))
print(path.stat().st_size)
