//! The one tree that every XML and JSON answer is written from.

/// An element: a name, attributes, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub(super) name: &'static str,
    pub(super) attributes: Vec<(&'static str, String)>,
    pub(super) content: Content,
}

/// What an element holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing, on purpose.
    Nil,
    /// Text. Numbers and truth values are text, too.
    Text(String),
    /// Elements in order; those of the same name are a list.
    Children(Vec<Element>),
}

#[expect(clippy::needless_pass_by_value, reason = "numbers and amounts read better without a borrow at every field")]
impl Element {
    /// An element with text.
    pub(crate) fn text(name: &'static str, text: impl ToString) -> Self {
        Self::with(name, Content::Text(text.to_string()))
    }

    /// An element that is nil.
    pub(crate) fn nil(name: &'static str) -> Self {
        Self::with(name, Content::Nil)
    }

    /// An element with text, or nil.
    pub(crate) fn optional(name: &'static str, text: Option<impl ToString>) -> Self {
        text.map_or_else(|| Self::nil(name), |text| Self::text(name, text))
    }

    /// An element with elements.
    pub(crate) fn parent(name: &'static str, children: Vec<Self>) -> Self {
        Self::with(name, Content::Children(children))
    }

    /// The same element with one more attribute.
    pub(crate) fn attribute(mut self, name: &'static str, value: impl ToString) -> Self {
        self.attributes.push((name, value.to_string()));
        self
    }

    /// Whether it is nil.
    pub(crate) fn is_nil(&self) -> bool {
        self.content == Content::Nil
    }

    /// The elements in it.
    pub(crate) fn children(&self) -> &[Self] {
        match &self.content {
            Content::Children(children) => children,
            Content::Nil | Content::Text(_) => &[],
        }
    }

    /// The text of the first child of this name, if it has text.
    pub(crate) fn child_text(&self, name: &str) -> Option<&str> {
        let child = self.children().iter().find(|child| child.name == name)?;
        match &child.content {
            Content::Text(text) => Some(text),
            Content::Nil | Content::Children(_) => None,
        }
    }

    fn with(name: &'static str, content: Content) -> Self {
        Self { name, attributes: Vec::new(), content }
    }
}
