use super::*;
use crate::document::Grade;

fn markdown(page: &str) -> String {
    read(page.as_bytes(), &Limits::default()).unwrap().markdown
}

#[track_caller]
fn check(page: &str, expected: &str) {
    assert_eq!(markdown(page).trim_end(), expected, "{page}");
}

#[test]
fn text_keeps_its_structure() {
    check("<h2>A <em>b</em></h2><p>c\n d<br>e", "## A *b*\n\nc d\ne");
    check("a<div>b</div>c", "a\n\nb\n\nc");
    check("<blockquote><p>a<p>b</blockquote>", "> a\n>\n> b");
    check("<dl><dt>a<dd>b<dt>c<dd>d</dl>", "a\n: b\n\nc\n: d");
    check("a<hr>b", "a\n\n---\n\nb");
}

#[test]
fn marks_lie_close_to_their_words() {
    check("a <b> b </b>c<i></i> <b>d</b><b>e</b>", "a **b** c **de**");
    check("<del>a</del> <b><i>b</i></b> <b></b>c", "~~a~~ ***b*** c");
    check("x<code>a`b</code> <code> c </code>d<tt></tt>", "x``a`b`` `c` d");
    check("10<sup>6</sup> H<sub>2</sub>O 1<sup>st</sup> <q>a</q>", "10⁶ H₂O 1st \"a\"");
}

#[test]
fn links_and_pictures_say_where_they_lead() {
    check("<a href='/x y'> a <b>b</b></a>.", "[a **b**](/x%20y).");
    check(
        "<a href='https://a.b/'>https://a.b/</a> <a href='#c'>c</a> <a href='JavaScript:d'>d</a>",
        "<https://a.b/> c d",
    );
    check("a<a href=b><img src=c alt='d [e]'></a><img src='data:x' alt=f><img src='data:x'>", "a[![d e](c)](b)![f]()");
    check("<a href='/a_(b)'>a</a> <a href='/a)'>b</a>", "[a](/a_(b)) [b](/a%29)");
}

#[test]
fn lists_nest_and_count() {
    check("<ul><li>a<ul><li>b</ul><li><p>c</p><p>d</p></ul>e", "- a\n  - b\n- c\n\n  d\n\ne");
    check("<ol start=3><li>a<li value=9>b<li>c</ol>", "3. a\n9. b\n10. c");
    check("<ul><li>a</li><ul><li>b</li></ul></ul>", "- a\n  - b");
    check("<ul><li><input type=checkbox checked>a<li><input type=checkbox>b</ul>", "- [x] a\n- [ ] b");
    check("<ul><li><li>a</ul>", "- a");
}

#[test]
fn code_keeps_its_lines_and_language() {
    check("<pre><code class='language-rust'>a &lt;b&gt;\n\n  c\n</code></pre>", "```rust\na <b>\n\n  c\n```");
    check("<div class='highlight-source-shell'><pre>a<br>b</pre></div>", "```shell\na\nb\n```");
    check("<pre class='sourceCode py'><span>a</span></pre>", "```py\na\n```");
    check("<pre><span class=lineno>1</span>a</pre>", "```\na\n```");
}

#[test]
fn tables_are_expanded() {
    let head = "| a | b |\n| --- | --- |\n";
    check("<table><thead><tr><th>a<th>b<tbody><tr><td>1<td>2|3</table>", &format!("{head}| 1 | 2\\|3 |"));
    check(
        "<table><tr><td>a<td>b<tr><td colspan=2><p>c<ul><li>d<li>e</table>",
        &format!("{head}| c - d - e | c - d - e |"),
    );
    check(
        "<table><caption>t</caption><tr><td>a<td>b<tr><td rowspan=2>1<td>2<tr><td>3</table>",
        &format!("t\n\n{head}| 1 | 2 |\n| 1 | 3 |"),
    );
    check("<table role=presentation><tr><td>a<td><h1>b</table>", "a\n\n# b");
    check("<table><tr><td><p>a<td><table><tr><td>b<td>c</table></table>", "a\n\n| b | c |\n| --- | --- |");
}

#[test]
fn what_moves_around_in_a_site_is_left_out() {
    let page = "<title>T</title><header><a href=/>Logo</a></header><nav>Home</nav><div role=navigation>Docs</div>\
        <h1>A</h1>text<script>x()</script><style>y</style><noscript>n</noscript><template>t</template><p hidden>h</p>\
        <p style='display : none'>h</p><aside>ad</aside><footer>Copyright</footer>";
    check(page, "# A\n\ntext");
    assert_eq!(read(page.as_bytes(), &Limits::default()).unwrap().title.as_deref(), Some("T"));
}

#[test]
fn the_main_part_is_believed_when_it_holds_most_words() {
    check("<p>menu</p><main><p>one two three</p></main>", "one two three");
    check("<p>menu</p><div role=main>one two three</div>", "one two three");
    check("<p>one two three four</p><main>five</main>", "one two three four\n\nfive");
    check("<article>a b</article><article>c</article>", "a b\n\nc");
}

#[test]
fn encodings_are_declared_or_found() {
    let page = |head: &str| [head.as_bytes(), b"<p>caf\xE9 \xE0"].concat();
    for head in ["<meta charset='iso-8859-1'>", "<meta http-equiv=a content='text/html; charset=latin1'>"] {
        assert_eq!(read(&page(head), &Limits::default()).unwrap().markdown, "café à\n");
    }
    let utf16: Vec<u8> = "\u{FEFF}<p>é".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(read(&utf16, &Limits::default()).unwrap().markdown, "é\n");
}

#[test]
fn hostile_pages_end() {
    let entities = format!("<!DOCTYPE html [<!ENTITY a \"{0}\"><!ENTITY b \"&a;&a;\">]><p>word &b;", "x".repeat(100));
    assert!(markdown(&entities).contains("word &b;"));
    let deep = format!("{}word", "<div><b><ul><li>".repeat(50_000));
    let read_deep = read(deep.as_bytes(), &Limits::default()).unwrap();
    assert!(matches!(read_deep.grade, Grade::Degraded(_)));
    let wide = format!("<th colspan=9 rowspan=65534>{}", "word ".repeat(20)).repeat(50);
    let spans = format!("<table><tr>{wide}{}</table>", "<tr><td>x".repeat(2000));
    let limits = Limits { text_bytes: 1 << 20, ..Limits::default() };
    assert_eq!(read(spans.as_bytes(), &limits).unwrap_err().kind, RefusalKind::TooLarge);
    let line = format!("<p>{}", "word ".repeat(2 << 20));
    assert_eq!(read(line.as_bytes(), &Limits::default()).unwrap().signals.words, 2 << 20);
    assert_eq!(read(b"<p></p>", &Limits::default()).unwrap_err().kind, RefusalKind::Empty);
}

proptest::proptest! {
    #[test]
    fn no_page_is_too_broken(page in "(<(/)?(p|div|li|ul|ol|td|tr|table|b|a href=x|pre|h1|code|!--)>|[a &;<>\"'\n]){0,60}") {
        let _ = read(page.as_bytes(), &Limits::default());
    }
}
