//! What of an answer that could be read may go to the caller, by the safeguard of its permit.

use std::collections::HashSet;
use std::sync::Arc;

use crate::domain::answer::{Bare, Media, is_bare};
use crate::domain::decision::{Proof, Safeguard, Subject};
use crate::domain::endpoint::{Endpoint, Owner, Rows};
use crate::domain::nickname::Scope;
use crate::domain::ownership::{Names, row_of_list, row_of_object};
use crate::domain::rows::{self, ReadError, Reader, Row, Totals, Verdict};

use super::Read;

/// Why nothing of an answer is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Withheld {
    /// None of it is known to be the caller's.
    NotYours,
    /// It is not built as answers of the endpoint are, so it cannot be judged.
    Unreadable,
    /// It certainly names an owner who has no business in it: ClickBank shows more than it should.
    Foreign,
}

/// Cuts out of an answer what is not the caller's.
///
/// # Errors
/// When nothing of it may be released.
pub(super) fn release(read: &mut Read) -> Result<(), Withheld> {
    let snapshot = Arc::clone(&read.proven().passage().snapshot);
    let policy = &snapshot.policy;
    let endpoint = policy.catalogue.endpoint(read.proven().call().endpoint()).ok_or(Withheld::Unreadable)?;
    // What answers a question of the gateway's own goes to nobody.
    let permit = read.proven().permit().ok_or(Withheld::NotYours)?;
    let (safeguard, credential, allowed) = (permit.safeguard(), permit.credential(), *permit.nicknames());
    let mine = Names::new(&policy.nicknames, Scope::only(allowed));
    let reach = credential.map(|id| policy.credentials.reach(id, endpoint.permissions)).unwrap_or_default();
    let seen = Names::new(&policy.nicknames, reach);
    match safeguard {
        // The answer shows nobody, and may be about anybody.
        Safeguard::Confined { .. } if read.proven().is_overtaken() => Err(Withheld::Foreign),
        Safeguard::Confined { .. } => {
            let checked = check_owners(read, endpoint, &seen);
            if checked.is_err()
                && let Some(credential) = credential
            {
                // ClickBank gives the credential more than is declared, so from now on it is confined for nobody.
                policy.credentials.doubt(credential);
            }
            checked
        }
        Safeguard::OwnerNamed => check_owners(read, endpoint, &mine),
        Safeguard::RequestConfined(_) => filter_list(read, endpoint, Totals::Keep, |row| row_of_list(row, &mine)),
        // Pages would tell of others' rows, and hide some of what has to be judged together.
        Safeguard::RowsJudged if read.status.as_u16() == 206 => Err(Withheld::Unreadable),
        Safeguard::RowsJudged if endpoint.owner == Owner::AnswerAccounts => {
            filter_list(read, endpoint, Totals::Drop, |row| row_of_list(row, &mine))
        }
        Safeguard::RowsJudged => {
            let receipts = receipts_of(read, endpoint, &mine);
            filter_object(read, endpoint, |row| {
                // Where receipts are not told apart, all rows are of one.
                let beside_mine = row.receipt().text().is_none_or(|receipt| receipts.contains(receipt));
                row_of_object(row, &mine, &seen, beside_mine)
            })
        }
        Safeguard::LookedUp(Proof { subject, .. }) if read.is_answer() => {
            let receipt = read.proven().receipt().ok_or(Withheld::NotYours)?.to_owned();
            filter_looked_up(read, endpoint, subject, &receipt, &mine)
        }
        // What ClickBank says of what was proven to be the caller's is the caller's to hear.
        Safeguard::LookedUp(_) => {
            keep_words(read);
            Ok(())
        }
        Safeguard::Document | Safeguard::NobodysData => Ok(()),
    }
}

/// The receipts under which a row stands that is certainly one of `mine`.
fn receipts_of(read: &Read, endpoint: &Endpoint, mine: &Names<'_>) -> HashSet<String> {
    let mut receipts = HashSet::new();
    survey(read, endpoint, |row| {
        if row_of_list(row, mine) == Verdict::Keep {
            receipts.extend(row.receipt().text().map(str::to_owned));
        }
    });
    receipts
}

/// Whether a receipt is `receipt`, or that of a rebill. ClickBank takes the receipt of a subscription for all its
/// rebills, which are of the same seller.
fn is_of(text: &str, receipt: &str) -> bool {
    text.strip_prefix(receipt).is_some_and(|rest| rest.is_empty() || rest.starts_with("-B"))
}

/// Withholds an answer that certainly names an owner who is not among `names`.
fn check_owners(read: &Read, endpoint: &Endpoint, names: &Names<'_>) -> Result<(), Withheld> {
    let mut foreign = false;
    survey(read, endpoint, |row| foreign |= names.exclude(row));
    if foreign { Err(Withheld::Foreign) } else { Ok(()) }
}

fn survey<'a>(read: &'a Read, endpoint: &Endpoint, visit: impl FnMut(&Row<'a>)) {
    if let (Some(rows), Some(media), Ok(text)) = (&endpoint.rows, read.media, std::str::from_utf8(read.body())) {
        rows::survey(media, text, &reader(read, endpoint, rows, Totals::Keep), visit);
    }
}

fn reader<'r>(read: &Read, endpoint: &Endpoint, rows: &'r Rows, totals: Totals) -> Reader<'r> {
    Reader::new(rows, read.proven().call().role_in_path(endpoint), totals)
}

/// Of what explains why there is no answer only plain text stays, which is what ClickBank explains itself in. JSON or XML
/// could have rows.
fn keep_words(read: &mut Read) {
    if read.media != Some(Media::Text) {
        read.drop_body();
    }
}

/// Lets through the rows of a list, which may be none.
fn filter_list(
    read: &mut Read,
    endpoint: &Endpoint,
    totals: Totals,
    judge: impl FnMut(&Row<'_>) -> Verdict,
) -> Result<(), Withheld> {
    if !read.is_answer() {
        keep_words(read);
        return Ok(());
    }
    // What has no rows is a count of what the request was confined to, and nothing else.
    if endpoint.rows.is_none() {
        let count = || std::str::from_utf8(read.body()).is_ok_and(|text| is_bare(Bare::Count, text));
        return if read.media.is_none() || count() { Ok(()) } else { Err(Withheld::Unreadable) };
    }
    filter(read, endpoint, totals, judge, Withheld::Unreadable).map(drop)
}

/// Lets through what is about a receipt that was proven to be the caller's. It was proven who sold it, which says nothing
/// of rows that name somebody else, such as an affiliate.
fn filter_looked_up(
    read: &mut Read,
    endpoint: &Endpoint,
    subject: Subject,
    receipt: &str,
    mine: &Names<'_>,
) -> Result<(), Withheld> {
    let Some(rows) = &endpoint.rows else { return Ok(()) };
    let names_owners = rows.owner.is_some();
    let is_its: fn(&str, &str) -> bool = match subject {
        Subject::Tickets(_) => is_of,
        _ => |text, receipt| text == receipt,
    };
    let has_to_name_it = match subject {
        // Its rows stand under receipts of their own.
        Subject::List(_) => false,
        Subject::Receipt(_) => rows.receipt.is_some(),
        Subject::Ticket(_) | Subject::Tickets(_) => true,
    };
    let mut another = false;
    let judge = |row: &Row<'_>| {
        let named = row.receipt().text();
        let is_named = !row.is_flawed() && named.is_some_and(|text| is_its(text, receipt));
        if has_to_name_it && !is_named {
            another |= named.is_some_and(|text| !is_its(text, receipt));
            Verdict::Refuse
        } else if names_owners {
            row_of_list(row, mine)
        } else {
            Verdict::Keep
        }
    };
    let totals = if names_owners { Totals::Drop } else { Totals::Keep };
    let filtered = filter_list(read, endpoint, totals, judge);
    // Asked for one receipt, ClickBank answers about no other, if it answers this request.
    if another && matches!(subject, Subject::Receipt(_)) { Err(Withheld::Foreign) } else { filtered }
}

/// Lets through the rows of one object, if there are any. Of what else ClickBank says about it nothing is told, but that
/// it failed.
fn filter_object(read: &mut Read, endpoint: &Endpoint, judge: impl FnMut(&Row<'_>) -> Verdict) -> Result<(), Withheld> {
    if read.status.is_server_error() {
        read.drop_body();
        return Ok(());
    }
    if !read.is_answer() {
        return Err(Withheld::NotYours);
    }
    match filter(read, endpoint, Totals::Drop, judge, Withheld::NotYours) {
        Ok(kept) if kept > 0 => Ok(()),
        Ok(_) => Err(Withheld::NotYours),
        Err(error) => Err(error),
    }
}

/// Cuts out what is not kept. Tells how many rows stay. A row that can be nobody's withholds the answer as `refused`.
fn filter(
    read: &mut Read,
    endpoint: &Endpoint,
    totals: Totals,
    judge: impl FnMut(&Row<'_>) -> Verdict,
    refused: Withheld,
) -> Result<usize, Withheld> {
    let Some(media) = read.media else { return Ok(0) };
    let rows = endpoint.rows.as_ref().ok_or(Withheld::Unreadable)?;
    let text = std::str::from_utf8(read.body()).map_err(|_| Withheld::Unreadable)?;
    let edit = rows::read(media, text, &reader(read, endpoint, rows, totals), judge).map_err(|error| match error {
        ReadError::Unreadable => Withheld::Unreadable,
        ReadError::Refused => refused,
    })?;
    let kept = edit.kept();
    read.proven().passage().trail.facts().rows_dropped = edit.dropped();
    edit.apply(&mut read.held.bytes);
    Ok(kept)
}
