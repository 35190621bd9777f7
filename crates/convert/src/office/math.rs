//! Formulas of Office as TeX.

use crate::markup::xml::{Event, Xml};

/// Formulas in formulas that are read; deeper ones are left out.
const DEPTH_MAX: usize = 40;

/// Reads a formula to its end.
pub(crate) fn read(xml: &mut Xml<'_>) -> String {
    let tex = sequence(xml, 0);
    crate::signals::one_line(&tex)
}

fn sequence(xml: &mut Xml<'_>, depth: usize) -> String {
    let mut out = String::new();
    let mut open = 0_u64;
    loop {
        match xml.next() {
            None => return out,
            Some(Event::Close) if open == 0 => return out,
            Some(Event::Close) => open -= 1,
            Some(Event::Text(_)) => {}
            Some(Event::Open(..)) if depth > DEPTH_MAX => xml.skip(),
            Some(Event::Open(name, _)) => match name {
                "t" => push_signs(&xml.text(), &mut out),
                "ctrlPr" | "rPr" | "argPr" | "del" | "moveFrom" => xml.skip(),
                _ if name.ends_with("Pr") => xml.skip(),
                "f" | "sSup" | "sSub" | "sSubSup" | "sPre" | "rad" | "d" | "nary" | "func" | "limLow" | "limUpp"
                | "acc" | "bar" | "m" | "eqArr" => structure(xml, name, depth + 1, &mut out),
                _ => open += 1,
            },
        }
    }
}

/// The parts of a structure, by name and in order, and the value of each of its properties.
#[derive(Debug, Default)]
struct Parts {
    parts: Vec<(String, String)>,
    properties: Vec<(String, String)>,
}

impl Parts {
    fn read(xml: &mut Xml<'_>, depth: usize) -> Self {
        let mut read = Self::default();
        xml.children(|xml, name, _| {
            if name.ends_with("Pr") {
                xml.children(|xml, name, tag| {
                    read.properties.push((name.to_owned(), tag.local("val").unwrap_or_default().into_owned()));
                    xml.skip();
                });
            } else if name == "mr" {
                let mut row = Vec::new();
                xml.children(|xml, _, _| row.push(sequence(xml, depth)));
                read.parts.push((name.to_owned(), row.join(" & ")));
            } else {
                read.parts.push((name.to_owned(), sequence(xml, depth)));
            }
        });
        read
    }

    fn part(&self, name: &str) -> &str {
        self.parts.iter().find(|(found, _)| found == name).map_or("", |(_, tex)| tex)
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.parts.iter().filter(|(found, _)| found == name).map(|(_, tex)| tex.as_str()).collect()
    }

    fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

fn structure(xml: &mut Xml<'_>, name: &str, depth: usize, out: &mut String) {
    let parts = Parts::read(xml, depth);
    let part = |name| parts.part(name);
    let tex = match name {
        "f" if parts.property("type") == Some("noBar") => format!("{{{} \\atop {}}}", part("num"), part("den")),
        "f" if parts.property("type") == Some("lin") => format!("{}/{}", part("num"), part("den")),
        "f" => format!("\\frac{{{}}}{{{}}}", part("num"), part("den")),
        "sSup" => format!("{}^{{{}}}", part("e"), part("sup")),
        "sSub" => format!("{}_{{{}}}", part("e"), part("sub")),
        "sSubSup" => format!("{}_{{{}}}^{{{}}}", part("e"), part("sub"), part("sup")),
        "sPre" => format!("{{}}_{{{}}}^{{{}}}{}", part("sub"), part("sup"), part("e")),
        "rad" if part("deg").is_empty() => format!("\\sqrt{{{}}}", part("e")),
        "rad" => format!("\\sqrt[{}]{{{}}}", part("deg"), part("e")),
        "d" => {
            let [open, middle, close] = [("begChr", "("), ("sepChr", "|"), ("endChr", ")")]
                .map(|(name, usual)| parts.property(name).unwrap_or(usual));
            format!("{open}{}{close}", parts.all("e").join(middle))
        }
        "nary" => {
            let sign = match parts.property("chr") {
                None => "\\int",
                Some(other) => other.chars().next().and_then(command).unwrap_or(other),
            };
            let scripts = script('_', part("sub")) + &script('^', part("sup"));
            let gap = if scripts.is_empty() { " " } else { "" };
            format!("{sign}{scripts}{gap}{}", part("e"))
        }
        "func" if is_function(part("fName")) => format!("\\{} {}", part("fName"), part("e")),
        "func" => format!("{} {}", part("fName"), part("e")),
        "limLow" => format!("{}_{{{}}}", part("e"), part("lim")),
        "limUpp" => format!("{}^{{{}}}", part("e"), part("lim")),
        "acc" => format!("{}{{{}}}", accent(parts.property("chr")), part("e")),
        "bar" => format!("\\overline{{{}}}", part("e")),
        "m" => format!("\\begin{{matrix}}{}\\end{{matrix}}", parts.all("mr").join(" \\\\ ")),
        _ => parts.all("e").join(" \\\\ "),
    };
    // A command must not run into the letter before it.
    if tex.starts_with('\\') && out.ends_with(|character: char| character.is_ascii_alphabetic()) {
        out.push(' ');
    }
    out.push_str(&tex);
}

/// Appends the characters of a run, those that TeX has commands for by their commands.
fn push_signs(text: &str, out: &mut String) {
    for character in text.chars() {
        match command(character) {
            Some(command) => {
                if out.ends_with(|last: char| last.is_ascii_alphabetic()) {
                    out.push(' ');
                }
                out.push_str(command);
                out.push(' ');
            }
            None => out.push(character),
        }
    }
}

fn is_function(name: &str) -> bool {
    const FUNCTIONS: [&str; 22] = [
        "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "log", "ln",
        "exp", "lim", "min", "max", "sup", "inf", "det", "gcd",
    ];
    let base = name.split(['_', '^']).next().unwrap_or(name);
    FUNCTIONS.contains(&base)
}

/// The command of TeX for a sign.
fn command(character: char) -> Option<&'static str> {
    const GREEK: [&str; 25] = [
        "\\alpha",
        "\\beta",
        "\\gamma",
        "\\delta",
        "\\varepsilon",
        "\\zeta",
        "\\eta",
        "\\theta",
        "\\iota",
        "\\kappa",
        "\\lambda",
        "\\mu",
        "\\nu",
        "\\xi",
        "o",
        "\\pi",
        "\\rho",
        "\\varsigma",
        "\\sigma",
        "\\tau",
        "\\upsilon",
        "\\varphi",
        "\\chi",
        "\\psi",
        "\\omega",
    ];
    const SIGNS: [(char, &str); 42] = [
        ('Γ', "\\Gamma"),
        ('Δ', "\\Delta"),
        ('Θ', "\\Theta"),
        ('Λ', "\\Lambda"),
        ('Ξ', "\\Xi"),
        ('Π', "\\Pi"),
        ('Σ', "\\Sigma"),
        ('Φ', "\\Phi"),
        ('Ψ', "\\Psi"),
        ('Ω', "\\Omega"),
        ('ϕ', "\\phi"),
        ('ϵ', "\\epsilon"),
        ('∑', "\\sum"),
        ('∏', "\\prod"),
        ('∫', "\\int"),
        ('∬', "\\iint"),
        ('∮', "\\oint"),
        ('⋃', "\\bigcup"),
        ('⋂', "\\bigcap"),
        ('±', "\\pm"),
        ('∓', "\\mp"),
        ('×', "\\times"),
        ('÷', "\\div"),
        ('⋅', "\\cdot"),
        ('∞', "\\infty"),
        ('≤', "\\leq"),
        ('≥', "\\geq"),
        ('≠', "\\neq"),
        ('≈', "\\approx"),
        ('≡', "\\equiv"),
        ('∈', "\\in"),
        ('∉', "\\notin"),
        ('⊂', "\\subset"),
        ('∪', "\\cup"),
        ('∩', "\\cap"),
        ('∀', "\\forall"),
        ('∃', "\\exists"),
        ('∂', "\\partial"),
        ('∇', "\\nabla"),
        ('→', "\\to"),
        ('⇒', "\\Rightarrow"),
        ('…', "\\ldots"),
    ];
    if let Some(index) = u32::from(character).checked_sub(0x3B1).filter(|index| *index < 25) {
        return Some(GREEK[index as usize]);
    }
    SIGNS.iter().find(|(sign, _)| *sign == character).map(|(_, command)| *command)
}

fn script(mark: char, tex: &str) -> String {
    if tex.is_empty() { String::new() } else { format!("{mark}{{{tex}}}") }
}

fn accent(character: Option<&str>) -> &'static str {
    match character {
        Some("\u{304}" | "\u{305}" | "¯") => "\\bar",
        Some("\u{303}" | "~") => "\\tilde",
        Some("\u{20D7}" | "→") => "\\vec",
        Some("\u{307}" | "˙") => "\\dot",
        Some("\u{308}" | "¨") => "\\ddot",
        _ => "\\hat",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(inner: &str, expected: &str) {
        let text = format!("<m:oMath>{inner}</m:oMath>");
        let mut xml = Xml::new(&text);
        xml.enter();
        assert_eq!(read(&mut xml), expected);
        assert!(xml.next().is_none());
    }

    #[test]
    fn formulas_become_tex() {
        let run = |text: &str| format!("<m:r><w:rPr/><m:t>{text}</m:t></m:r>");
        let (a, b) = (run("a"), run("b"));
        check(&format!("{a}<m:f><m:num>{a}</m:num><m:den>{b}</m:den></m:f>"), "a \\frac{a}{b}");
        check(&format!("<m:sSup><m:e>{a}</m:e><m:sup>{b}</m:sup></m:sSup>"), "a^{b}");
        check(
            &format!("<m:rad><m:radPr><m:degHide m:val=\"1\"/></m:radPr><m:deg/><m:e>{a}</m:e></m:rad>"),
            "\\sqrt{a}",
        );
        check(
            &format!(
                "<m:nary><m:naryPr><m:chr m:val=\"∑\"/></m:naryPr><m:sub>{a}</m:sub><m:sup/><m:e>{b}</m:e></m:nary>"
            ),
            "\\sum_{a}b",
        );
        check(&run("x≤πr"), "x \\leq \\pi r");
        check(&format!("<m:func><m:fName>{}</m:fName><m:e>{a}</m:e></m:func>", run("log")), "\\log a");
        check(&format!("<m:d><m:dPr><m:begChr m:val=\"[\"/></m:dPr><m:e>{a}</m:e><m:e>{b}</m:e></m:d>"), "[a|b)");
        check(
            &format!("<m:m><m:mr><m:e>{a}</m:e><m:e>{b}</m:e></m:mr><m:mr><m:e>{b}</m:e></m:mr></m:m>"),
            "\\begin{matrix}a & b \\\\ b\\end{matrix}",
        );
    }

    #[test]
    fn deep_formulas_end() {
        let text = "<m:f><m:num>".repeat(10_000);
        assert!(read(&mut Xml::new(&text)).len() < 1000);
    }
}
