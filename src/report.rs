//! What the library tells its caller while it works. The program draws it; a test collects it.

/// Hears of progress. The library never prints.
pub trait Reporter: Send + Sync {
    /// So many items are about to be worked through.
    fn begin(&self, total: u64);

    /// An item is done; `outcome` is a word or two, such as `ok`.
    fn item(&self, name: &str, outcome: &str);

    /// All items are done, or the work has ended early.
    fn end(&self);

    /// Something that the user should know and that is no failure.
    fn warn(&self, text: &str);

    /// Something that only a user who asked for detail wants to know.
    fn detail(&self, text: &str);
}

/// Hears and says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn begin(&self, _total: u64) {}
    fn item(&self, _name: &str, _outcome: &str) {}
    fn end(&self) {}
    fn warn(&self, _text: &str) {}
    fn detail(&self, _text: &str) {}
}
