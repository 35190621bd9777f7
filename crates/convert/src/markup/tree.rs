//! The elements of an HTML page, with the ends that authors leave out.

use std::borrow::Cow;

use super::token::Syntax;
use super::token::{Tag, Token, Tokens, attribute};

/// What is deeper lies beside its parent instead of in it: walks over the tree recurse, and browsers stop at 512 themselves.
const DEPTH_MAX: usize = 200;

/// The number of a node; the root is 0.
pub(crate) type NodeId = usize;

/// A node.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) kind: Kind<'a>,
    pub(crate) parent: NodeId,
    pub(crate) first_child: Option<NodeId>,
    pub(crate) next: Option<NodeId>,
    last_child: Option<NodeId>,
    /// Whether an element in it, or it itself, begins a line of its own.
    pub(crate) holds_block: bool,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Kind<'a> {
    Element {
        /// In lower case.
        name: Cow<'a, str>,
        attributes: &'a str,
    },
    /// Text with its references as they are.
    Text(&'a str),
}

/// A page.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    pub(crate) nodes: Vec<Node<'a>>,
    /// Whether elements lay too deep.
    pub(crate) was_too_deep: bool,
}

impl<'a> Tree<'a> {
    /// Reads a page. Every text is one.
    pub(crate) fn parse(text: &'a str) -> Self {
        let mut builder = Builder::new();
        for token in Tokens::new(text, Syntax::Html) {
            match token {
                Token::Open(tag) => builder.open(tag),
                Token::Close(name) => builder.close(name),
                Token::Text(text) => builder.text(text),
                // Scripts and styles: nothing for a reader.
                Token::Verbatim(_) | Token::Doctype(_) => {}
            }
        }
        builder.tree
    }

    /// The children of a node, in order.
    pub(crate) fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(self.nodes[id].first_child, |child| self.nodes[*child].next)
    }

    /// The name of an element, empty for text.
    pub(crate) fn name(&self, id: NodeId) -> &str {
        match &self.nodes[id].kind {
            Kind::Element { name, .. } => name,
            Kind::Text(_) => "",
        }
    }

    /// An attribute of an element.
    pub(crate) fn attribute(&self, id: NodeId, wanted: &str) -> Option<Cow<'a, str>> {
        match self.nodes[id].kind {
            Kind::Element { attributes, .. } if !attributes.is_empty() => {
                attribute(attributes, |found| found.eq_ignore_ascii_case(wanted))
            }
            _ => None,
        }
    }

    /// The first node of a name below a node.
    pub(crate) fn find(&self, id: NodeId, name: &str) -> Option<NodeId> {
        self.children(id).find_map(|child| if self.name(child) == name { Some(child) } else { self.find(child, name) })
    }
}

#[derive(Debug)]
struct Builder<'a> {
    tree: Tree<'a>,
    /// Open elements from the root on.
    open: Vec<NodeId>,
}

impl<'a> Builder<'a> {
    fn new() -> Self {
        let root = Node {
            kind: Kind::Element { name: Cow::Borrowed(""), attributes: "" },
            parent: 0,
            first_child: None,
            next: None,
            last_child: None,
            holds_block: true,
        };
        Self { tree: Tree { nodes: vec![root], was_too_deep: false }, open: vec![0] }
    }

    fn open(&mut self, tag: Tag<'a>) {
        let name = lower_case(tag.name);
        if matches!(&*name, "html" | "body") && self.tree.nodes.len() > 1 && self.has_open(&name) {
            return;
        }
        self.close_implied(&name);
        let is_block = is_block(&name);
        let is_void = is_void(&name);
        let id = self.append(Kind::Element { name, attributes: tag.attributes });
        if is_block {
            self.mark_block(id);
        }
        // In HTML a slash closes nothing, save in the drawings and formulas that came from XML.
        let in_foreign =
            tag.closes_itself && self.open.iter().any(|open| matches!(self.tree.name(*open), "svg" | "math"));
        if !is_void && !in_foreign {
            if self.open.len() < DEPTH_MAX {
                self.open.push(id);
            } else {
                self.tree.was_too_deep = true;
            }
        }
    }

    fn close(&mut self, name: &str) {
        let name = lower_case(name);
        if &*name == "br" {
            self.append(Kind::Element { name: Cow::Borrowed("br"), attributes: "" });
            return;
        }
        let is_inline = !is_block(&name) && !is_table_part(&name);
        for index in (1..self.open.len()).rev() {
            let open = self.tree.name(self.open[index]);
            if open == name {
                self.open.truncate(index);
                return;
            }
            // The end of an inline element ends no block, and no end but its own leaves a table.
            let is_wall = if is_inline { is_block(open) || is_table_part(open) } else { open == "table" };
            let is_cell_wall = matches!(open, "td" | "th" | "caption") && !is_table_part(&name) && name != "table";
            if is_wall || is_cell_wall {
                return;
            }
        }
    }

    fn text(&mut self, text: &'a str) {
        let current = self.tree.name(self.top());
        if matches!(current, "table" | "tbody" | "thead" | "tfoot" | "tr" | "head" | "html") && text.trim().is_empty() {
            return;
        }
        if current == "head" {
            self.open.pop();
        }
        self.append(Kind::Text(text));
    }

    fn top(&self) -> NodeId {
        self.open.last().copied().unwrap_or(0)
    }

    fn has_open(&self, name: &str) -> bool {
        self.open.iter().any(|open| self.tree.name(*open) == name)
    }

    fn append(&mut self, kind: Kind<'a>) -> NodeId {
        let parent = self.top();
        let id = self.tree.nodes.len();
        let node = Node { kind, parent, first_child: None, next: None, last_child: None, holds_block: false };
        self.tree.nodes.push(node);
        match self.tree.nodes[parent].last_child.replace(id) {
            Some(last) => self.tree.nodes[last].next = Some(id),
            None => self.tree.nodes[parent].first_child = Some(id),
        }
        id
    }

    /// Marks a node and what it is in; each node is marked once, so this is linear over a page.
    fn mark_block(&mut self, mut id: NodeId) {
        while !self.tree.nodes[id].holds_block {
            self.tree.nodes[id].holds_block = true;
            id = self.tree.nodes[id].parent;
        }
    }

    /// Ends the elements that end where `name` begins.
    fn close_implied(&mut self, name: &str) {
        if self.tree.name(self.top()) == "head" && !is_of_head(name) {
            self.open.pop();
        }
        match name {
            "li" => self.close_up_to(&["li"], &["ul", "ol", "menu", "table", "td", "th"]),
            "dt" | "dd" => self.close_up_to(&["dt", "dd"], &["dl", "table", "td", "th"]),
            "td" | "th" => self.close_up_to(&["td", "th", "caption"], &["table"]),
            "tr" => self.close_up_to(&["tr", "caption", "colgroup"], &["table"]),
            "thead" | "tbody" | "tfoot" => {
                self.close_up_to(&["thead", "tbody", "tfoot", "caption", "colgroup"], &["table"]);
            }
            "option" => self.close_up_to(&["option"], &["select"]),
            "a" => self.close_up_to(&["a"], &["p", "div", "li", "table", "td", "th", "section", "article"]),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.close_up_to(
                    &["h1", "h2", "h3", "h4", "h5", "h6"],
                    &["div", "section", "article", "table", "td", "th", "li"],
                );
            }
            _ => {}
        }
        if closes_paragraph(name) {
            self.close_up_to(&["p"], &["table", "td", "th", "caption", "button", "object", "li", "div", "blockquote"]);
        }
    }

    /// Ends the innermost open element of `names` and all in it, unless one of `walls` is nearer.
    fn close_up_to(&mut self, names: &[&str], walls: &[&str]) {
        for index in (1..self.open.len()).rev() {
            let open = self.tree.name(self.open[index]);
            if names.contains(&open) {
                self.open.truncate(index);
                return;
            }
            if walls.contains(&open) {
                return;
            }
        }
    }
}

fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "frame"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "track"
            | "wbr"
    )
}

fn is_of_head(name: &str) -> bool {
    matches!(name, "title" | "meta" | "link" | "style" | "script" | "base" | "noscript" | "template")
}

fn is_table_part(name: &str) -> bool {
    matches!(name, "caption" | "colgroup" | "thead" | "tbody" | "tfoot" | "tr" | "td" | "th")
}

/// Whether an element begins a line of its own.
pub(crate) fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "body"
            | "center"
            | "dd"
            | "details"
            | "dialog"
            | "dir"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "frameset"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "head"
            | "header"
            | "hgroup"
            | "hr"
            | "html"
            | "legend"
            | "li"
            | "listing"
            | "main"
            | "menu"
            | "nav"
            | "ol"
            | "optgroup"
            | "p"
            | "plaintext"
            | "pre"
            | "search"
            | "section"
            | "summary"
            | "table"
            | "ul"
            | "xmp"
    )
}

fn closes_paragraph(name: &str) -> bool {
    is_block(name) && !matches!(name, "html" | "head" | "body" | "frameset" | "optgroup" | "legend")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(tree: &Tree<'_>, id: NodeId) -> String {
        let inner: String = tree.children(id).map(|child| shown(tree, child)).collect();
        match &tree.nodes[id].kind {
            Kind::Text(text) => (*text).to_owned(),
            Kind::Element { name, .. } if name.is_empty() => inner,
            Kind::Element { name, .. } => format!("{name}({inner})"),
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(shown(&Tree::parse(text), 0), expected);
    }

    #[test]
    fn ends_that_are_left_out_are_supplied() {
        check("<p>a<p>b<div>c</div>d", "p(a)p(b)div(c)d");
        check("<ul><li>a<ul><li>b</ul><li>c</ul>", "ul(li(aul(li(b)))li(c))");
        check("<dl><dt>a<dd>b<dt>c</dl>", "dl(dt(a)dd(b)dt(c))");
        check("<table><tr><td>a<td><p>b<tr><th>c</table>d", "table(tr(td(a)td(p(b)))tr(th(c)))d");
        check("<table><thead><tr><td>a<tbody><tr><td>b</table>", "table(thead(tr(td(a)))tbody(tr(td(b))))");
        check("<title>t</title><p>a", "title(t)p(a)");
        check("<html><head><meta><title>t</title><body>a<body>b</html>", "html(head(meta()title(t))body(ab))");
    }

    #[test]
    fn ends_in_the_wrong_place_do_little_harm() {
        check("<b><i>a</b>b</i>c", "b(i(a))bc");
        check("<b><p>a</b>b</p>c", "b(p(ab)c)");
        check("a</p></div></li>b<br/></br>", "abbr()br()");
        check("<div><table><tr><td>a</div>b</table>c</div>d", "div(table(tr(td(ab)))c)d");
        check("<table><tr><td><table><tr><td>a</table></td><td>b</table>", "table(tr(td(table(tr(td(a))))td(b)))");
        check("<a href=1>a<a href=2>b</a>", "a(a)a(b)");
        check("<DIV>a</Div><svg><path/>x</svg>y", "div(a)svg(path()x)y");
    }

    #[test]
    fn what_is_deep_is_laid_beside() {
        let text = format!("{}a", "<div>".repeat(100_000));
        let tree = Tree::parse(&text);
        assert!(tree.was_too_deep);
        assert_eq!(tree.nodes.len(), 100_002);
    }

    #[test]
    fn blocks_are_known_to_what_holds_them() {
        let tree = Tree::parse("<span><b>a</b></span><span><b><div>x</div></b></span>");
        let holds: Vec<_> = tree.children(0).map(|child| tree.nodes[child].holds_block).collect();
        assert_eq!(holds, [false, true]);
    }
}
