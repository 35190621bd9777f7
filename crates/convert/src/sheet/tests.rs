use super::*;
use crate::document::Grade;
use crate::zip::build::Zip;

const WORKBOOK: &str = r#"<workbook><workbookPr/><sheets><sheet name="One &amp; all" sheetId="1" r:id="r1"/>
    <sheet name="Two" sheetId="2" state="hidden" r:id="r2"/><sheet name="Three" sheetId="3" r:id="r3"/></sheets></workbook>"#;
const RELATIONS: &str = r#"<Relationships><Relationship Id="r1" Type="http://x/worksheet" Target="worksheets/sheet1.xml"/>
    <Relationship Id="r2" Type="http://x/worksheet" Target="worksheets/sheet2.xml"/>
    <Relationship Id="r3" Type="http://x/worksheet" Target="/xl/worksheets/sheet3.xml"/>
    <Relationship Id="s" Type="http://x/sharedStrings" Target="sharedStrings.xml"/>
    <Relationship Id="t" Type="http://x/styles" Target="styles.xml"/></Relationships>"#;
const STRINGS: &str = "<sst><si><t>name</t></si><si><r><t>a </t></r><r><t>b|c</t></r><rPh><t>x</t></rPh></si></sst>";
const STYLES: &str = r#"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="yyyy"/></numFmts>
    <cellXfs><xf numFmtId="0"/><xf numFmtId="164"/></cellXfs></styleSheet>"#;

fn xlsx(first: &str, third: &str) -> Vec<u8> {
    let sheet = |inner: &str| format!("<worksheet>{inner}</worksheet>");
    Zip::new()
        .file("[Content_Types].xml", "<Types/>")
        .file("xl/workbook.xml", WORKBOOK)
        .file("xl/_rels/workbook.xml.rels", RELATIONS)
        .file("xl/sharedStrings.xml", STRINGS)
        .file("xl/styles.xml", STYLES)
        .file("xl/worksheets/sheet1.xml", sheet(first))
        .file("xl/worksheets/sheet2.xml", sheet("<sheetData><row><c><v>9</v></c></row></sheetData>"))
        .file("xl/worksheets/sheet3.xml", sheet(third))
        .finish()
}

#[test]
fn sheets_are_sections_with_values() {
    let first = r#"<sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="inlineStr"><is><t>day</t></is></c><c r="C1" t="b"><v>1</v></c></row>
        <row r="2"><c r="A2" t="s"><v>1</v></c><c r="B2" s="1"><v>45413</v></c><c r="C2" t="e"><v>#N/A</v></c></row>
        <row r="3"><c r="A3"><f>A1+1</f><v>2.50</v></c><c r="B3"><f>SUM(A1)</f></c></row>
        <row r="5"><c r="B5" t="str"><v>alone</v></c></row></sheetData>"#;
    let third = r#"<sheetData><row><c><v>1</v></c><c><v>2</v></c></row><row><c><v>3</v></c></row></sheetData><mergeCells><mergeCell ref="A2:B2"/></mergeCells>"#;
    let converted = read(&xlsx(first, third), &Limits::default()).unwrap();
    let one = "## One & all\n\n| name | day | TRUE |\n| --- | --- | --- |\n| a b\\|c | 2024-05-01 | #N/A |\n| 2.5 | =SUM(A1) |  |\n\nalone\n\n";
    let three = "## Three\n\n| 1 | 2 |\n| --- | --- |\n| 3 | 3 |\n";
    assert_eq!(converted.markdown, format!("{one}{three}"));
    let pages: Vec<_> = converted.pages.iter().map(|page| (page.number, page.start, page.name.as_deref())).collect();
    assert_eq!(pages, [(1, 0, Some("One & all")), (3, one.len(), Some("Three"))]);
    assert_eq!(converted.grade, Grade::Degraded(vec!["1 hidden sheets were left out".into()]));
    assert_eq!((converted.signals.tables, converted.signals.headings), (2, 2));
}

#[test]
fn wide_and_long_sheets_are_bounded() {
    let corners = r#"<sheetData><row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row></sheetData><mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>"#;
    let _ = read(&xlsx(corners, ""), &Limits { text_bytes: 1 << 20, ..Limits::default() });
    let apart = r#"<sheetData><row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row></sheetData>"#;
    assert_eq!(read(&xlsx(apart, ""), &Limits::default()).unwrap().markdown, "## One & all\n\n1\n\n2\n");
    let outside = r#"<sheetData><row r="4294967295"><c r="ZZZ9"><v>1</v></c></row></sheetData>"#;
    assert_eq!(read(&xlsx(outside, ""), &Limits::default()).unwrap_err().kind, RefusalKind::Empty);
    let few = Limits { pages: 2, ..Limits::default() };
    assert_eq!(read(&xlsx("", ""), &few).unwrap_err().kind, RefusalKind::TooLarge);
}

proptest::proptest! {
    #[test]
    fn no_sheet_is_too_strange(steps in proptest::collection::vec((0_u8..4, 0_usize..100), 0..60)) {
        let names = ["sheetData", "row", "row r=\"4294967295\"", "c", "c t=\"s\"", "c r=\"B2\"", "v", "is", "t", "mergeCells", "mergeCell ref=\"A1:C3\""];
        let inner = crate::office::tests::balanced(&steps, &names);
        let refused = read(&xlsx(&format!("<sheetData><row>{inner}</row></sheetData>"), &inner), &Limits::default()).err();
        proptest::prop_assert!(refused.is_none_or(|refusal| refusal.kind == RefusalKind::Empty));
    }
}
