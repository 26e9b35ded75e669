//! What was planted, who may see it, and the search for it.

use std::collections::{BTreeMap, BTreeSet};

use clickbank_gateway::simulator::world::Records;
use clickbank_gateway::simulator::{Nickname, NicknameSet};
use memchr::memmem;

use super::scene::{EVERYBODY, Names};

/// Words of the records, and who may see each.
#[derive(Clone, Debug, Default)]
pub(super) struct Planted {
    words: BTreeMap<String, BTreeSet<String>>,
    /// The nicknames that show together with somebody's records: counterparties.
    beside: BTreeMap<String, BTreeSet<String>>,
}

impl Planted {
    /// Everything that is planted in some worlds' records.
    pub(super) fn of<'a>(worlds: impl IntoIterator<Item = &'a Records>) -> Self {
        let mut planted = Self::default();
        worlds.into_iter().for_each(|records| planted.add(records));
        planted
    }

    fn add(&mut self, records: &Records) {
        let everybody: NicknameSet = EVERYBODY.into_iter().map(Nickname::new).collect();
        for order in &records.orders {
            let seller = order.seller.as_str();
            self.show(&order.customer.email, &[seller]);
            let affiliate = order.affiliate.as_ref().map(Nickname::as_str);
            let partners = order.joint_ventures.iter().map(|venture| venture.partner.as_str());
            let parties: Vec<&str> = [seller].into_iter().chain(affiliate).chain(partners).collect();
            self.show(&order.receipt, &parties);
            for line in &order.lines {
                self.show(&line.title, &parties);
            }
            for party in &parties {
                self.stand_beside(party, [seller].into_iter().chain(affiliate));
            }
        }
        for ticket in &records.tickets {
            let owners = records.owners_of_ticket(&everybody, ticket);
            let owners: Vec<&str> = owners.iter().map(Nickname::as_str).collect();
            self.show(ticket.reason.as_deref().unwrap_or_default(), &owners);
            self.show_word(ticket.id.to_string(), &owners);
            for comment in &ticket.comments {
                self.show(&comment.text, &owners);
            }
        }
        for notice in &records.ship_notices {
            let owners = records.owners_of_notice(&everybody, notice);
            let owners: Vec<&str> = owners.iter().map(Nickname::as_str).collect();
            self.show(notice.tracking.as_deref().unwrap_or_default(), &owners);
        }
        for product in &records.products {
            self.show(&product.title, &[product.site.as_str()]);
            let partners = product.contracts.iter().map(|contract| contract.partner.as_str());
            self.stand_beside(product.site.as_str(), partners);
        }
        for image in &records.images {
            self.show(&image.title, &[image.site.as_str()]);
        }
    }

    fn show(&mut self, text: &str, who: &[&str]) {
        for word in words_in(&text.to_ascii_lowercase()) {
            self.show_word(word.to_owned(), who);
        }
    }

    fn show_word(&mut self, word: String, who: &[&str]) {
        self.words.entry(word).or_default().extend(who.iter().map(|name| (*name).to_owned()));
    }

    fn stand_beside<'a>(&mut self, who: &str, names: impl Iterator<Item = &'a str>) {
        self.beside.entry(who.to_owned()).or_default().extend(names.map(str::to_owned));
    }

    /// Something that shows in `text` although nobody of `seers` may see it, and the caller did not send it. Besides those
    /// that `seers` deal with, it may name the nicknames of `spoken`.
    pub(super) fn leak(&self, text: &[u8], seers: &Names, spoken: &Names, sent: &str) -> Option<String> {
        let text = String::from_utf8_lossy(text).to_ascii_lowercase();
        let sent = sent.to_ascii_lowercase();
        let unknown = |word: &str| {
            let theirs = self.words.get(word)?;
            let hidden = !seers.iter().any(|name| theirs.contains(*name)) && !sent.contains(word);
            hidden.then(|| format!("`{word}`, which only {theirs:?} may see"))
        };
        let known_name = |name: &str| {
            spoken.contains(name)
                || sent.contains(name)
                || seers.iter().any(|seer| self.beside.get(*seer).is_some_and(|beside| beside.contains(name)))
        };
        let named = |name: &str| {
            let shows = memmem::find(text.as_bytes(), name.as_bytes()).is_some();
            (shows && !known_name(name)).then(|| format!("the nickname `{name}`"))
        };
        words_in(&text).find_map(unknown).or_else(|| EVERYBODY.into_iter().find_map(named))
    }
}

/// Planted words, and numbers as long as a ticket's id, in a text in lower case.
fn words_in(text: &str) -> impl Iterator<Item = &str> {
    let planted = memmem::find_iter(text.as_bytes(), b"zq").filter_map(|start| text.get(start..start + 8));
    let numbers = text.split(|character: char| !character.is_ascii_digit()).filter(|digits| digits.len() >= 9);
    planted.chain(numbers)
}
