//! Which part of a page is its content.

use crate::markup::tree::{Kind, NodeId, Tree};
use crate::signals::count_words;

/// The share of the words that the part which calls itself the main one must hold to be believed.
const MAIN_SHARE_MIN: f64 = 0.5;

/// What is read of a page.
#[derive(Debug)]
pub(crate) struct Content {
    /// The element that holds it.
    pub(crate) root: NodeId,
    /// By node: whether it is left out, with all below it.
    dropped: Vec<bool>,
    /// By node: the words in it that are not left out.
    words: Vec<u64>,
}

impl Content {
    /// Finds the content of a page.
    pub(crate) fn of(tree: &Tree<'_>) -> Self {
        let mut found = Self { root: 0, dropped: vec![false; tree.nodes.len()], words: vec![0; tree.nodes.len()] };
        let mut survey = Survey { tree, mains: Vec::new(), articles: Vec::new(), in_main: 0 };
        let total = found.survey(&mut survey, 0);
        let candidates = if survey.mains.is_empty() { survey.articles } else { survey.mains };
        // Several articles are a list of them: the page is their sum.
        if let [(id, words)] = candidates[..] {
            #[expect(clippy::cast_precision_loss, reason = "pages are far below 2^53 words")]
            let share = words as f64 / total.max(1) as f64;
            if share >= MAIN_SHARE_MIN {
                found.root = id;
            }
        }
        found
    }

    /// Whether a node is left out.
    pub(crate) fn is_dropped(&self, id: NodeId) -> bool {
        self.dropped[id]
    }

    /// The words in a node that are not left out.
    pub(crate) fn words(&self, id: NodeId) -> u64 {
        self.words[id]
    }

    /// Marks what is left out below a node; the words of what stays.
    fn survey(&mut self, survey: &mut Survey<'_, '_>, id: NodeId) -> u64 {
        let tree = survey.tree;
        let name = match &tree.nodes[id].kind {
            Kind::Text(text) => {
                self.words[id] = count_words(text);
                return self.words[id];
            }
            Kind::Element { name, .. } => &**name,
        };
        if is_chrome(tree, id, name) || (name == "header" && survey.in_main == 0 && !holds_heading(tree, id)) {
            self.dropped[id] = true;
            return 0;
        }
        let is_main = name == "main" || tree.attribute(id, "role").is_some_and(|role| role == "main");
        let is_article = name == "article" && survey.in_main == 0;
        survey.in_main += usize::from(is_main || name == "article");
        let mut words = 0;
        for child in tree.children(id) {
            words += self.survey(survey, child);
        }
        self.words[id] = words;
        survey.in_main -= usize::from(is_main || name == "article");
        if is_main {
            survey.mains.push((id, words));
        } else if is_article {
            survey.articles.push((id, words));
        }
        words
    }
}

#[derive(Debug)]
struct Survey<'t, 'a> {
    tree: &'t Tree<'a>,
    mains: Vec<(NodeId, u64)>,
    articles: Vec<(NodeId, u64)>,
    in_main: usize,
}

/// Whether an element is no content: what moves around in the site, what is not shown, what is drawn or typed into.
fn is_chrome(tree: &Tree<'_>, id: NodeId, name: &str) -> bool {
    let by_name = matches!(
        name,
        "nav"
            | "footer"
            | "aside"
            | "script"
            | "style"
            | "noscript"
            | "template"
            | "head"
            | "title"
            | "iframe"
            | "object"
            | "embed"
            | "applet"
            | "canvas"
            | "svg"
            | "audio"
            | "video"
            | "map"
            | "select"
            | "datalist"
            | "textarea"
            | "button"
            | "noframes"
            | "noembed"
            | "frameset"
            | "search"
    );
    if by_name {
        return true;
    }
    let Kind::Element { attributes, .. } = tree.nodes[id].kind else { return false };
    if attributes.is_empty() {
        return false;
    }
    let is_role = tree
        .attribute(id, "role")
        .is_some_and(|role| matches!(&*role, "navigation" | "contentinfo" | "complementary" | "search" | "banner"));
    is_role || is_hidden(tree, id, name) || tree.attribute(id, "class").is_some_and(|classes| is_furniture(&classes))
}

/// Whether an element is not shown.
fn is_hidden(tree: &Tree<'_>, id: NodeId, name: &str) -> bool {
    let style = tree.attribute(id, "style").is_some_and(|style| {
        let style: String = style.split_ascii_whitespace().collect();
        style.contains("display:none") || style.contains("visibility:hidden")
    });
    let is_hidden = style
        || tree.attribute(id, "hidden").is_some_and(|value| value != "until-found")
        || tree.attribute(id, "aria-hidden").is_some_and(|value| value == "true")
        || (name == "dialog" && tree.attribute(id, "open").is_none());
    // A formula is often hidden behind a picture of it.
    is_hidden && tree.find(id, "math").is_none()
}

/// Classes that widespread generators of pages give to what is no content.
fn is_furniture(classes: &str) -> bool {
    classes.split_ascii_whitespace().any(|class| {
        matches!(
            class,
            "noprint"
                | "navbox"
                | "mw-editsection"
                | "mw-jump-link"
                | "mw-portlet-lang"
                | "catlinks"
                | "printfooter"
                | "headerlink"
                | "hash-link"
                | "anchorjs-link"
                | "skip-link"
                | "linenos"
                | "lineno"
                | "line-numbers-rows"
                | "gutter"
                | "breadcrumb"
                | "breadcrumbs"
        )
    })
}

fn holds_heading(tree: &Tree<'_>, id: NodeId) -> bool {
    ["h1", "h2"].iter().any(|name| tree.find(id, name).is_some())
}
