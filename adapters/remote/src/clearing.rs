//! Taking a file out of an inbox on a server: it is put aside under another name, looked at, and then disposed of.

use dropbridge_port::{Cleared, Disposal, EntryPath, EntryStat, ErrorKind, PortError, Result};

/// What a file is called while it is looked at: this before its name.
const ASIDE: &[u8] = b".dropbridge-clearing-";

const OPERATION: &str = "take out of the inbox";
const PUT_BACK: &str = "put back into the inbox";

/// A connection to a server, as taking files out of an inbox uses it.
pub trait ClearingSession {
    /// A directory of the server.
    type Tree;

    /// Whether a rename may replace what has the new name: then that is looked for first.
    const MAY_REPLACE: bool;

    /// What has a name. `None` where nothing has, `Some(None)` where the server does not tell its size and time.
    ///
    /// # Errors
    /// Of the server.
    fn look(
        &mut self,
        operation: &'static str,
        tree: &Self::Tree,
        path: &EntryPath,
    ) -> Result<Option<Option<EntryStat>>>;

    /// Makes sure that a directory is there.
    ///
    /// # Errors
    /// `NotFound`, `Refused`, and of the connection.
    fn require_root(&mut self, operation: &'static str, tree: &Self::Tree) -> Result<()>;

    /// Gives a file of a directory another name, in that directory or in another one.
    ///
    /// # Errors
    /// `NotFound` where nothing has the name, `Conflict` where the server sees that the new one is taken.
    fn rename(
        &mut self,
        operation: &'static str,
        from: (&Self::Tree, &EntryPath),
        to: (&Self::Tree, &EntryPath),
    ) -> Result<()>;

    /// Deletes a file.
    ///
    /// # Errors
    /// Of the server.
    fn remove(&mut self, operation: &'static str, tree: &Self::Tree, path: &EntryPath) -> Result<()>;

    /// A path for messages.
    fn subject(tree: &Self::Tree, path: &EntryPath) -> String;

    /// It is of no more use.
    fn is_broken(&self) -> bool;
}

/// Where files go that are taken out of an inbox.
#[derive(Debug)]
pub enum Way<T> {
    /// Nowhere: they are deleted.
    Delete,
    /// To this directory.
    Move(T),
    /// Nowhere: their names get this ending.
    Rename(String),
}

impl<T> Way<T> {
    /// As a feed says; `tree` is asked for the directory that it names.
    pub fn new(disposal: &Disposal, tree: impl FnOnce(&str) -> T) -> Self {
        match disposal {
            Disposal::Delete => Self::Delete,
            Disposal::Move(directory) => Self::Move(tree(directory)),
            Disposal::Rename(suffix) => Self::Rename(suffix.clone()),
        }
    }
}

/// Takes a file out of an inbox if it still has this size and time. What was done before a connection was lost is found by
/// the next attempt: the file is aside, or gone.
///
/// # Errors
/// As [`Clearing::clear`](dropbridge_port::Clearing::clear).
pub fn clear<S: ClearingSession>(
    session: &mut S,
    inbox: &S::Tree,
    way: &Way<S::Tree>,
    path: &EntryPath,
    expected: EntryStat,
) -> Result<Cleared> {
    session.require_root(OPERATION, inbox)?;
    let aside = beside::<S>(inbox, path, &[ASIDE, path.file_name()].concat())?;
    // One that is aside already was left by a crash.
    if session.look(OPERATION, inbox, &aside)?.is_none() {
        match session.rename(OPERATION, (inbox, path), (inbox, &aside)) {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(Cleared::Gone),
            answer => answer?,
        }
    }
    let Some(there) = session.look(OPERATION, inbox, &aside)? else { return Ok(Cleared::Gone) };
    if there.map(|stat| (stat.size, stat.modified_ns)) != Some((expected.size, expected.modified_ns)) {
        put_back(session, inbox, &aside, path)?;
        return Ok(Cleared::Changed);
    }
    match dispose(session, inbox, way, &aside, path) {
        Ok(()) => Ok(Cleared::Done),
        // A connection that is lost leaves it aside: the next attempt goes on from there.
        Err(error) if session.is_broken() => Err(error),
        Err(error) => {
            put_back(session, inbox, &aside, path)?;
            Err(error)
        }
    }
}

fn beside<S: ClearingSession>(tree: &S::Tree, path: &EntryPath, name: &[u8]) -> Result<EntryPath> {
    let no_name = || PortError::new(ErrorKind::Bug, OPERATION, S::subject(tree, path), "it can have no other name");
    path.sibling(name).ok_or_else(no_name)
}

/// Where a file that was put aside goes.
fn dispose<S: ClearingSession>(
    session: &mut S,
    inbox: &S::Tree,
    way: &Way<S::Tree>,
    aside: &EntryPath,
    path: &EntryPath,
) -> Result<()> {
    let (tree, to) = match way {
        Way::Delete => return session.remove(OPERATION, inbox, aside),
        Way::Rename(suffix) => (inbox, beside::<S>(inbox, path, &[path.file_name(), suffix.as_bytes()].concat())?),
        Way::Move(destination) => {
            session.require_root("move to", destination)?;
            let no_name = || PortError::new(ErrorKind::Bug, OPERATION, S::subject(destination, path), "it has no name");
            (destination, EntryPath::new(path.file_name()).ok_or_else(no_name)?)
        }
    };
    let taken = "a file of this name is where it is to go";
    rename_to_free_name(session, OPERATION, (inbox, aside), (tree, &to), taken, "move that one away")
}

/// What was put aside gets its name again, unless another file has come under it.
fn put_back<S: ClearingSession>(session: &mut S, inbox: &S::Tree, aside: &EntryPath, path: &EntryPath) -> Result<()> {
    let taken = "another file has come under its name while it was put aside";
    let hint = format!("it is beside that one as {aside}, and not lost: give it a name of its own");
    rename_to_free_name(session, PUT_BACK, (inbox, aside), (inbox, path), taken, &hint)
}

/// Renames, replacing nothing.
fn rename_to_free_name<S: ClearingSession>(
    session: &mut S,
    operation: &'static str,
    from: (&S::Tree, &EntryPath),
    (tree, to): (&S::Tree, &EntryPath),
    taken: &str,
    hint: &str,
) -> Result<()> {
    let conflict = || PortError::new(ErrorKind::Conflict, operation, S::subject(tree, to), taken).with_hint(hint);
    if S::MAY_REPLACE && session.look(operation, tree, to)?.is_some() {
        return Err(conflict());
    }
    match session.rename(operation, from, (tree, to)) {
        Err(error) if error.kind == ErrorKind::Conflict => Err(conflict()),
        answer => answer,
    }
}
