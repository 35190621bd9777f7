use super::*;
use crate::document::Grade;
use crate::zip::build::Zip;

const STYLES: &str = r#"<w:styles>
    <w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style>
    <w:style w:type="paragraph" w:styleId="berschrift1"><w:name w:val="heading 1"/><w:basedOn w:val="Normal"/></w:style>
    <w:style w:type="paragraph" w:styleId="Mine"><w:name w:val="Kapitel"/><w:basedOn w:val="berschrift1"/></w:style>
    <w:style w:type="paragraph" w:styleId="Teil"><w:name w:val="Teil"/><w:pPr><w:outlineLvl w:val="2"/></w:pPr></w:style>
    <w:style w:type="paragraph" w:styleId="Code"><w:name w:val="Source Code"/></w:style>
    <w:style w:type="paragraph" w:styleId="Item"><w:name w:val="Item"/><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>
    <w:style w:type="character" w:styleId="VC"><w:name w:val="Verbatim Char"/></w:style>
    <w:style w:type="character" w:styleId="St"><w:name w:val="Strong"/><w:rPr><w:b/></w:rPr></w:style></w:styles>"#;

const NUMBERING: &str = r#"<w:numbering><w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/>
    <w:lvlText w:val="x"/></w:lvl><w:lvl w:ilvl="1"><w:start w:val="3"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%2."/></w:lvl>
    </w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>"#;

const RELATIONS: &str = r#"<Relationships>
    <Relationship Id="s" Type="http://x/styles" Target="styles.xml"/>
    <Relationship Id="n" Type="http://x/numbering" Target="numbering.xml"/>
    <Relationship Id="f" Type="http://x/footnotes" Target="/word/footnotes.xml"/>
    <Relationship Id="l" Type="http://x/hyperlink" Target="https://a.b/" TargetMode="External"/></Relationships>"#;

fn docx(body: &str) -> Vec<u8> {
    Zip::new()
        .file("[Content_Types].xml", "<Types/>")
        .file("word/document.xml", format!("<?xml version=\"1.0\"?><w:document><w:body>{body}<w:sectPr/></w:body></w:document>"))
        .file("word/styles.xml", STYLES)
        .file("word/numbering.xml", NUMBERING)
        .file("word/footnotes.xml", "<w:footnotes><w:footnote w:type=\"separator\" w:id=\"0\"/><w:footnote w:id=\"7\"><w:p><w:r><w:footnoteRef/></w:r><w:r><w:t xml:space=\"preserve\"> Note.</w:t></w:r></w:p></w:footnote></w:footnotes>")
        .file("word/_rels/document.xml.rels", RELATIONS)
        .finish()
}

fn markdown(body: &str) -> String {
    read(&docx(body), &Limits::default()).unwrap().markdown
}

fn run(text: &str) -> String {
    format!("<w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r>")
}

fn paragraph(style: &str, inner: &str) -> String {
    format!("<w:p><w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr>{inner}</w:p>")
}

fn item(level: u8, text: &str) -> String {
    let properties = format!("<w:pPr><w:numPr><w:ilvl w:val=\"{level}\"/><w:numId w:val=\"1\"/></w:numPr></w:pPr>");
    format!("<w:p>{properties}{}</w:p>", run(text))
}

fn cell(properties: &str, text: &str) -> String {
    format!("<w:tc><w:tcPr>{properties}</w:tcPr><w:p>{}</w:p></w:tc>", run(text))
}

#[track_caller]
fn check(body: &str, expected: &str) {
    assert_eq!(markdown(body).trim_end(), expected, "{body}");
}

#[test]
fn headings_are_told_in_every_language() {
    for (style, mark) in [("berschrift1", "# "), ("Mine", "# "), ("Teil", "### "), ("Normal", ""), ("none", "")] {
        check(&paragraph(style, &run("A")), &format!("{mark}A"));
    }
    check(&format!("<w:p><w:pPr><w:outlineLvl w:val=\"1\"/></w:pPr>{}</w:p>", run("A")), "## A");
}

#[test]
fn runs_keep_their_look_and_lines_their_breaks() {
    let look =
        |look: &str, text: &str| format!("<w:r><w:rPr>{look}</w:rPr><w:t xml:space=\"preserve\">{text}</w:t></w:r>");
    let runs = [
        look("<w:b/>", "a "),
        look("<w:b w:val=\"true\"/>", "b"),
        look("<w:b w:val=\"0\"/>", " c "),
        look("<w:i/><w:strike/>", "d"),
        look("<w:rStyle w:val=\"VC\"/>", "e_f"),
        look("<w:rStyle w:val=\"St\"/>", " g"),
        look("<w:vanish/>", "hidden"),
        look("<w:vertAlign w:val=\"superscript\"/>", "2"),
    ];
    check(&format!("<w:p>{}</w:p>", runs.concat()), "**a b** c *~~d~~*`e_f` **g**²");
    check("<w:p><w:r><w:t>docs</w:t><w:br/><w:t>stats</w:t><w:tab/><w:t>x</w:t></w:r></w:p>", "docs\nstats x");
    let code = |text: &str| {
        paragraph("Code", &format!("<w:r><w:t xml:space=\"preserve\">{text}</w:t><w:br/><w:t>  b</w:t></w:r>"))
    };
    check(&(code("a") + &code("c")), "```\na\n  b\nc\n  b\n```");
}

#[test]
fn changes_are_taken_as_accepted() {
    let body = format!(
        "<w:p>{}<w:ins>{}</w:ins><w:del><w:r><w:delText>x</w:delText></w:r></w:del><w:moveFrom>{}</w:moveFrom></w:p>",
        run("a"),
        run("b"),
        run("c")
    );
    check(&body, "ab");
}

#[test]
fn links_come_from_relations_and_fields() {
    check(
        &format!("<w:p><w:hyperlink r:id=\"l\">{}{}</w:hyperlink>{}</w:p>", run("a"), run("b"), run(".")),
        "[ab](https://a.b/).",
    );
    let field = |kind: &str| format!("<w:r><w:fldChar w:fldCharType=\"{kind}\"/></w:r>");
    let instruction = "<w:r><w:instrText> HYPERLINK \"https://c.d\" </w:instrText></w:r>";
    let body = [&field("begin"), instruction, &field("separate"), &run("x"), &field("end"), &run("y")].concat();
    check(&format!("<w:p>{body}</w:p>"), "[x](https://c.d)y");
    check(&format!("<w:p>{}{}</w:p><w:p>{}</w:p>", field("begin"), run("code"), run("text")), "text");
}

#[test]
fn lists_nest_count_and_end() {
    let body = [
        item(0, "a"),
        item(1, "b"),
        item(1, "c"),
        item(0, "d"),
        paragraph("Normal", &run("e")),
        paragraph("Item", &run("f")),
    ];
    check(&body.concat(), "- a\n  3. b\n  4. c\n- d\n\ne\n\n- f");
}

#[test]
fn tables_are_expanded() {
    let row = |cells: &[String]| format!("<w:tr>{}</w:tr>", cells.concat());
    let rows = [
        row(&[cell("<w:gridSpan w:val=\"2\"/>", "a"), cell("<w:vMerge w:val=\"restart\"/>", "b")]),
        row(&[cell("", "c"), cell("", "d|e"), cell("<w:vMerge/>", "")]),
    ];
    check(&format!("<w:tbl>{}</w:tbl>", rows.concat()), "| a | a | b |\n| --- | --- | --- |\n| c | d\\|e | b |");
    let nested = format!("<w:tc><w:tbl>{}</w:tbl><w:p/></w:tc>", row(&[cell("", "x"), cell("", "y")]));
    check(&format!("<w:tbl>{}</w:tbl>", row(&[nested, cell("", "z")])), "| x y | z |\n| --- | --- |");
    check(&format!("<w:tbl>{}</w:tbl>", row(&[cell("", "framed")])), "framed");
}

#[test]
fn notes_boxes_pictures_and_formulas_are_kept() {
    check(&format!("<w:p>{}<w:r><w:footnoteReference w:id=\"7\"/></w:r></w:p>", run("a")), "a[^1]\n\n[^1]: Note.");
    let drawn = |inner: &str| {
        format!(
            "<w:r><mc:AlternateContent><mc:Choice><w:drawing>{inner}</w:drawing></mc:Choice><mc:Fallback><w:pict>{inner}</w:pict></mc:Fallback></mc:AlternateContent></w:r>"
        )
    };
    let framed = drawn(&format!("<wps:txbx><w:txbxContent><w:p>{}</w:p></w:txbxContent></wps:txbx>", run("box")));
    check(&format!("<w:p>{}{framed}</w:p>", run("a")), "a\n\nbox");
    let picture = drawn("<wp:docPr id=\"1\" descr=\"a duck\"/><a:blip r:embed=\"i\"/>");
    check(&format!("<w:p>{}{picture}</w:p>", run("a ")), "a ![a duck]()");
    check(
        &format!(
            "<w:p>{}<m:oMath><m:r><m:t>E=m</m:t></m:r><m:sSup><m:e><m:r><m:t>c</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath></w:p>",
            run("so ")
        ),
        "so $E=mc^{2}$",
    );
    let chart = read(
        &docx(&format!("<w:p>{}<w:r><w:drawing><c:chart r:id=\"c\"/></w:drawing></w:r></w:p>", run("a"))),
        &Limits::default(),
    );
    assert_eq!(chart.unwrap().grade, Grade::Degraded(vec!["1 charts and diagrams were left out".into()]));
    let only = read(&docx(&format!("<w:p>{}</w:p>", drawn("<a:blip/>"))), &Limits::default());
    assert_eq!(only.unwrap_err().kind, RefusalKind::NeedsOcr);
}

#[test]
fn hostile_documents_are_refused_or_read() {
    let laughs = "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;\">]><w:document><w:body><w:p><w:r><w:t>&lol2;</w:t></w:r></w:p></w:body></w:document>";
    let kind = |archive: Vec<u8>, limits: Limits| read(&archive, &limits).map(|_| ()).unwrap_err().kind;
    let with = |document: &str| Zip::new().file("[Content_Types].xml", "").file("word/document.xml", document).finish();
    assert_eq!(kind(with(laughs), Limits::default()), RefusalKind::Damaged);
    assert_eq!(kind(Zip::new().file("x", "").finish(), Limits::default()), RefusalKind::Damaged);
    let bomb = with(&" ".repeat(10 << 20));
    assert_eq!(kind(bomb, Limits { text_bytes: 1 << 20, ..Limits::default() }), RefusalKind::TooLarge);
    let liar = Zip::new().liar("word/document.xml", &[b' '; 10_000], 10).finish();
    assert_eq!(kind(liar, Limits::default()), RefusalKind::Damaged);
    let twice = Zip::new().file("word/document.xml", "<a/>").file("word/document.xml", "<b/>").finish();
    assert_eq!(kind(twice, Limits::default()), RefusalKind::Damaged);
    let whole = docx(&paragraph("Normal", &run("word")));
    for length in (0..whole.len()).step_by(7) {
        assert!(read(&whole[..length], &Limits::default()).is_err());
    }
    let word = format!("<w:p>{}</w:p>", run("word"));
    for name in ["w:tbl", "w:tc", "w:hyperlink", "w:r", "w:sdt", "w:txbxContent", "m:oMath", "m:f"] {
        let nested = |depth: usize| {
            format!("{word}<w:p>{}{}</w:p>", format!("<{name}>").repeat(depth), format!("</{name}>").repeat(depth))
        };
        assert_eq!(markdown(&nested(900)), "word\n", "{name}");
        assert_eq!(kind(docx(&nested(20_000)), Limits::default()), RefusalKind::Damaged);
    }
    assert_eq!(kind(docx(&format!("{word}</w:body>")), Limits::default()), RefusalKind::Damaged);
    let utf16: Vec<u8> = format!("\u{FEFF}<w:document><w:body><w:p>{}</w:p></w:body></w:document>", run("é"))
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(
        read(&Zip::new().file("word/document.xml", utf16).finish(), &Limits::default()).unwrap().markdown,
        "é\n"
    );
}

/// Elements in any order and nesting, each with its end.
pub(crate) fn balanced(steps: &[(u8, usize)], names: &[&str]) -> String {
    let end = |tag: &str| format!("</{}>", tag.split(' ').next().unwrap_or(tag));
    let mut out = String::new();
    let mut open = Vec::new();
    for (step, name) in steps {
        let tag = names[name % names.len()];
        match step % 4 {
            0 | 1 => {
                out.push_str(&format!("<{tag}>"));
                open.push(tag);
            }
            2 => out.push_str(&open.pop().map_or_else(|| "7".into(), end)),
            _ => out.push_str(&format!("<{tag}/>a &amp; 1")),
        }
    }
    out.extend(open.into_iter().rev().map(end));
    out
}

proptest::proptest! {
    #[test]
    fn no_body_is_too_strange(steps in proptest::collection::vec((0_u8..4, 0_usize..100), 0..60)) {
        let names = ["w:p", "w:r", "w:t", "w:tbl", "w:tr", "w:tc", "w:tcPr", "w:vMerge", "w:gridSpan w:val=\"99999999999\"", "w:pPr", "w:numPr",
            "w:ilvl w:val=\"255\"", "w:numId w:val=\"1\"", "w:ins", "w:del", "w:hyperlink r:id=\"l\"", "w:txbxContent", "w:pict", "m:oMath", "m:f",
            "m:num", "m:m", "m:mr", "w:fldChar w:fldCharType=\"begin\"", "w:fldChar w:fldCharType=\"separate\"", "w:footnoteReference w:id=\"7\""];
        let refused = read(&docx(&balanced(&steps, &names)), &Limits::default()).err();
        proptest::prop_assert!(refused.is_none_or(|refusal| refusal.kind == RefusalKind::Empty));
    }

    #[test]
    fn no_body_is_too_broken(body in "(<(/)?w:(p|r|t|tbl|tr|tc|pPr|numPr|ins|del|txbxContent|pict|oMath|fldChar)/?>|[a &;\n]){0,60}") {
        let _ = read(&docx(&body), &Limits::default());
    }
}
