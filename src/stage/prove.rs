//! `Permitted` → [`Proven`]: whatever has to be known before the call goes on is asked first.
//!
//! The request takes its place among those under way here. Then the gateway asks ClickBank, if the permit says so, whose
//! order the call is about, or whether a credential reaches what is declared for it. Such a look-up goes through shape,
//! inject, forward and the reading part of guard like any other call; it counts, waits for its turn, and is done within
//! the time of the request that it is for. What ClickBank says of an order that is not proven to be the caller's becomes
//! the one refusal.

use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use tokio::time::Instant;

use crate::config::Upstream;
use crate::domain::call::Call;
use crate::domain::credential::{CredentialId, Seen};
use crate::domain::decision::{Proof, Safeguard, Subject};
use crate::domain::endpoint::{Changes, Endpoint, Method, Owner, Party, is_receipt};
use crate::domain::matrix::CallerId;
use crate::domain::nickname::{NicknameId, NicknameKind, NicknameSet};
use crate::domain::ownership::{Names, Sellers};
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::rows::{self, ReadError, Reader, Row, Totals, Verdict};
use crate::keys::KeyNumber;
use crate::known::{self, Owned};
use crate::ledger::Charge;
use crate::rejection::Rejection;
use crate::snapshot::Snapshot;

use super::authorize::{LookupPermit, Permit, Permitted, Question};
use super::classify::AnswerType;
use super::forward::Forward;
use super::guard::{Guard, Read};
use super::inject::Inject;
use super::remember::{Evidence, Showing, Ticket, Wanted};
use super::shape::Shape;
use super::spend::{self, Change, Refund};
use super::{Budget, Check as _, Passage, Step};

/// A call, or a question of the gateway's own, of which everything is known that has to be known before it is sent. Only
/// this file makes one.
pub struct Proven {
    passage: Passage,
    call: Call,
    answer: Option<AnswerType>,
    page: Option<NonZeroU32>,
    errand: Errand,
    /// What it counts towards the caps.
    charges: Vec<Charge>,
}

enum Errand {
    /// The caller's call, and the receipt that was proven to be the caller's.
    Call(Permit, Option<Arc<str>>),
    /// A question of the gateway's own.
    Question { caller: Option<CallerId>, credential: CredentialId },
}

impl Proven {
    pub(super) const fn passage(&self) -> &Passage {
        &self.passage
    }

    pub(super) fn into_passage(self) -> Passage {
        self.passage
    }

    pub(super) const fn call(&self) -> &Call {
        &self.call
    }

    pub(super) const fn answer(&self) -> Option<AnswerType> {
        self.answer
    }

    pub(super) const fn page(&self) -> Option<NonZeroU32> {
        self.page
    }

    pub(super) fn endpoint(&self) -> Option<&Endpoint> {
        self.passage.snapshot.policy.catalogue.endpoint(self.call.endpoint())
    }

    /// The number of the caller's key, by which what outlives a snapshot is kept for each caller. What the gateway asks on
    /// nobody's behalf has a number of its own.
    pub(super) fn number(&self) -> KeyNumber {
        self.caller().map_or(KeyNumber::NOBODY, |caller| self.passage.snapshot.keys.number(caller))
    }

    /// On whose behalf; none where it is nobody's.
    pub(super) const fn caller(&self) -> Option<CallerId> {
        match &self.errand {
            Errand::Call(permit, _) => Some(permit.caller()),
            Errand::Question { caller, .. } => *caller,
        }
    }

    /// The only credential that may act; none for an open document.
    pub(super) const fn credential(&self) -> Option<CredentialId> {
        match &self.errand {
            Errand::Call(permit, _) => permit.credential(),
            Errand::Question { credential, .. } => Some(*credential),
        }
    }

    /// Whether it is the caller's call, and no question of the gateway's own.
    pub(super) const fn is_the_callers(&self) -> bool {
        matches!(self.errand, Errand::Call(..))
    }

    /// The caller's permit. A question of the gateway's own has none, and its answer goes to no caller.
    pub(super) const fn permit(&self) -> Option<&Permit> {
        match &self.errand {
            Errand::Call(permit, _) => Some(permit),
            Errand::Question { .. } => None,
        }
    }

    /// What it counts towards the caps.
    pub(super) fn charges(&self) -> &[Charge] {
        &self.charges
    }

    /// Whether it is about one object of which nobody knows yet whose it is: nothing may tell whether there is one.
    pub(super) fn is_unproven(&self) -> bool {
        let owner = self.endpoint().map(|endpoint| endpoint.owner);
        match &self.errand {
            Errand::Call(permit, _) => permit.safeguard() == Safeguard::RowsJudged && owner == Some(Owner::AnswerRows),
            Errand::Question { .. } => owner != Some(Owner::AnswerAccounts),
        }
    }

    /// Whether it relies on a credential that was meanwhile found to reach more than is declared.
    pub(super) fn is_overtaken(&self) -> bool {
        let relied_on = match &self.errand {
            Errand::Call(permit, _) if matches!(permit.safeguard(), Safeguard::Confined { .. }) => permit.credential(),
            _ => None,
        };
        relied_on.is_some_and(|id| self.passage.snapshot.policy.credentials.is_doubted(id))
    }

    /// The receipt that was proven to be the caller's.
    pub(super) fn receipt(&self) -> Option<&str> {
        match &self.errand {
            Errand::Call(_, receipt) => receipt.as_deref(),
            Errand::Question { .. } => None,
        }
    }
}

/// The longest that the answer to a probe is waited for. One that takes longer says nothing.
const PROBE_PATIENCE: Duration = Duration::from_secs(15);

/// A question that shows whether ClickBank accepts a credential: a read that changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Which nicknames it reads the orders of.
    Accounts,
    /// How old the analytics are, which is about no nickname.
    AnalyticsStatus,
    /// A nickname's analytics.
    Analytics(NicknameId),
    /// A nickname's products.
    Products(NicknameId),
}

/// What came of a probe.
pub(crate) enum Probed {
    /// ClickBank answered; which nicknames, if that was the question.
    Answered(Option<Shown>),
    /// ClickBank refused.
    Refused(Certainty),
    /// Nothing that says anything.
    Unclear,
}

impl Probed {
    /// The word in logs.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::Refused(_) => "refused",
            Self::Unclear => "unclear",
        }
    }
}

/// Whether a refusal can mean anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// The key is refused, and nothing but the key.
    Certain,
    /// Something else may have been refused.
    Likely,
}

/// The nicknames of which ClickBank lets a credential read the orders.
#[derive(Default)]
pub(crate) struct Shown {
    /// Those that the configuration declares.
    pub(crate) declared: NicknameSet,
    /// The others, in ClickBank's words.
    pub(crate) undeclared: Vec<String>,
}

/// The stage.
#[derive(Debug)]
pub struct Prove {
    shape: Shape,
    inject: Inject,
    forward: Arc<Forward>,
    guard: Guard,
    /// For the answer to a call without look-ups, and for all together of one with.
    patience: Duration,
}

impl Prove {
    /// With the stages through which look-ups go.
    #[must_use]
    pub fn new(upstream: &Upstream, shape: Shape, inject: Inject, forward: Arc<Forward>, guard: Guard) -> Self {
        Self { shape, inject, forward, guard, patience: upstream.connect_timeout + upstream.response_timeout }
    }

    /// Sees how far a credential reaches, if the permit trusts it where nothing else would show it. One that reaches
    /// more than is declared is confined for nobody, and to one that reaches less a seller may be hidden. Where it is not
    /// as it has to be, the call is decided again.
    async fn see_reach(&self, mut permitted: Permitted) -> Result<Permitted, Rejection> {
        loop {
            let Some(permit) = permitted.permit.to_see_reach() else { return Ok(permitted) };
            let snapshot = Arc::clone(&permitted.passage.snapshot);
            let (credentials, id) = (&snapshot.policy.credentials, permit.credential());
            let is_unfit = || match permitted.permit.safeguard().proof() {
                Some(_) => credentials.is_narrower(id),
                None => credentials.is_doubted(id),
            };
            if !is_unfit() && !credentials.is_seen(id) {
                let until = answer_by(&permitted.passage);
                snapshot.known.verify(id, until, self.verify(&permitted.passage, &permit)).await?;
            }
            if !is_unfit() {
                return Ok(permitted);
            }
            permitted = permitted.again()?;
        }
    }

    /// Compares what ClickBank says a credential reaches with what is declared.
    async fn verify(&self, passage: &Passage, permit: &LookupPermit) -> Result<(), Rejection> {
        // Who came in while another one was at it finds it done.
        if passage.snapshot.policy.credentials.is_seen(permit.credential()) {
            return Ok(());
        }
        let read = self.ask(passage, permit, Question::Accounts).await?;
        compare(passage, permit.credential(), &read).map(drop)
    }

    /// Asks ClickBank, on nobody's behalf, whether it accepts a credential, and for what. Nothing of it concerns a caller.
    pub(crate) async fn probe(&self, snapshot: &Arc<Snapshot>, id: CredentialId, probe: Probe) -> Probed {
        let turn_by = Instant::now() + snapshot.limits.max_wait;
        let budget = Budget { turn_by, answer_by: turn_by + self.patience.min(PROBE_PATIENCE) };
        let (passage, permit) = (Passage::nobodys(Arc::clone(snapshot), budget), LookupPermit::to_probe(id));
        let nicknames = &snapshot.policy.nicknames;
        let question = match probe {
            Probe::Accounts => Question::Accounts,
            Probe::AnalyticsStatus => Question::AnalyticsStatus,
            Probe::Analytics(nickname) => {
                let affiliate = nicknames.kind(nickname) == Some(NicknameKind::Affiliate);
                let party = if affiliate { Party::Affiliate } else { Party::Vendor };
                Question::Analytics(nicknames.name(nickname), party)
            }
            Probe::Products(nickname) => Question::Products(nicknames.name(nickname)),
        };
        // Of a credential without a secret nothing can be asked, so nothing is found out.
        if snapshot.secret(id).is_none() {
            return Probed::Unclear;
        }
        match self.ask(&passage, &permit, question).await {
            Err(Rejection::CredentialRefused) => Probed::Refused(Certainty::Certain),
            Err(_) => Probed::Unclear,
            Ok(read) => match read.status.as_u16() {
                // ClickBank also answers 403 to whoever asks more than ten times in a second.
                403 => Probed::Refused(Certainty::Likely),
                200..=299 if probe == Probe::Accounts => {
                    compare(&passage, id, &read).map_or(Probed::Unclear, |shown| Probed::Answered(Some(shown)))
                }
                200..=299 => Probed::Answered(None),
                _ => Probed::Unclear,
            },
        }
    }

    /// The order that the call is about, once it is proven to be the caller's.
    async fn look_up(&self, permitted: &Permitted, subject: Subject) -> Result<Owned, Rejection> {
        let Permitted { passage, call, permit, .. } = permitted;
        let endpoint = passage.snapshot.policy.catalogue.endpoint(call.endpoint()).ok_or(Rejection::UnknownEndpoint)?;
        let look_up = permit.to_look_up().ok_or(Rejection::NotYoursOrUnknown)?;
        let allowed = permit.nicknames();
        let value = match subject {
            Subject::Receipt(variable) | Subject::Ticket(variable) => call.variable(endpoint, variable),
            Subject::List(parameter) | Subject::Tickets(parameter) => call.value_at(parameter),
        };
        let value = value.ok_or(Rejection::NotYoursOrUnknown)?;
        // Before something is changed, what was true a minute ago does not count.
        let memory = if endpoint.changes == Changes::Nothing { Memory::Counts } else { Memory::IsNotAsked };
        let owned = match subject {
            Subject::Ticket(_) => self.ticket(passage, &look_up, allowed, value, memory).await?,
            _ => self.order(passage, &look_up, allowed, value, memory).await?,
        };
        // Whether an order is active is told of all sales under its receipt together.
        let sees_others = endpoint.method == Method::Head && !owned.sellers.show_no_others(allowed);
        if owned.sellers.are_within(allowed) && !sees_others { Ok(owned) } else { Err(Rejection::NotYoursOrUnknown) }
    }

    /// Who sold what has this receipt.
    async fn order(
        &self,
        passage: &Passage,
        permit: &LookupPermit,
        allowed: &NicknameSet,
        receipt: &str,
        memory: Memory,
    ) -> Result<Owned, Rejection> {
        let asking = async {
            let read = self.ask(passage, permit, Question::Order(receipt)).await?;
            let mut sellers = Sellers::default();
            each_row_of_the_callers(passage, &read, |row| {
                sellers.add(receipt, row, &passage.snapshot.policy.nicknames)
            })?;
            Ok(Owned { receipt: receipt.into(), sellers: Arc::new(sellers) })
        };
        remembered(passage, permit, allowed, known::Subject::Order(receipt.into()), memory, asking).await
    }

    /// Who sold what has the receipt that this ticket is about.
    async fn ticket(
        &self,
        passage: &Passage,
        permit: &LookupPermit,
        allowed: &NicknameSet,
        id: &str,
        memory: Memory,
    ) -> Result<Owned, Rejection> {
        let asking = async {
            let read = self.ask(passage, permit, Question::Ticket(id)).await?;
            let mut receipt = None;
            each_row_of_the_callers(passage, &read, |row| {
                receipt = row.receipt().text().filter(|text| is_receipt(text) && !row.is_flawed()).map(str::to_owned);
                receipt.is_some()
            })?;
            self.order(passage, permit, allowed, &receipt.ok_or(Rejection::NotYoursOrUnknown)?, memory).await
        };
        remembered(passage, permit, allowed, known::Subject::Ticket(id.into()), memory, asking).await
    }

    /// Refuses a change that would exceed a cap, as far as that is known: of what is refused anyhow ClickBank need not be
    /// asked anything. What is only asked about is not sent.
    async fn check_caps(&self, permitted: &Permitted) -> Result<(), Rejection> {
        let Permitted { passage, call, permit, .. } = permitted;
        let endpoint = passage.snapshot.policy.catalogue.endpoint(call.endpoint()).ok_or(Rejection::UnknownEndpoint)?;
        match Change::of(&passage.snapshot, permit.caller(), permit.nicknames(), endpoint, call) {
            Some(change) if passage.pledge.as_ref().is_none_or(|it| it.wants() != Some(Wanted::After)) => {
                spend::check(self.shape.caps(), &change.known_charges(), &passage.trail).await
            }
            _ => Ok(()),
        }
    }

    /// What a change counts towards the caps, whose order is known by now.
    async fn charges(&self, permitted: &Permitted, owned: Option<&Owned>) -> Result<Vec<Charge>, Rejection> {
        let Permitted { passage, call, permit, .. } = permitted;
        let endpoint = passage.snapshot.policy.catalogue.endpoint(call.endpoint()).ok_or(Rejection::UnknownEndpoint)?;
        let nicknames = owned.map_or_else(|| permit.nicknames(), |owned| owned.sellers.nicknames());
        let Some(change) = Change::of(&passage.snapshot, permit.caller(), nicknames, endpoint, call) else {
            return Ok(Vec::new());
        };
        let amount = if change.needs_amount() {
            let known = permit.to_look_up().zip(owned).zip(Refund::of(endpoint, call));
            let ((look_up, owned), refund) = known.ok_or(Rejection::RefundAmountUnknown)?;
            let read = self.ask(passage, &look_up, Question::RefundAmount(&owned.receipt, refund)).await?;
            match read.status.as_u16() {
                200 => spend::cents_in(read.body()),
                500.. => return Err(Rejection::LookUpFailed),
                _ => None,
            }
        } else {
            None
        };
        change.charges(amount)
    }

    /// What ClickBank shows of what a change is about, if it shows anything. Where it cannot be asked, less can be concluded
    /// later on, and that is all.
    async fn evidence(&self, permitted: &Permitted) -> Option<Evidence> {
        let Permitted { passage, call, permit, .. } = permitted;
        let endpoint = passage.snapshot.policy.catalogue.endpoint(call.endpoint())?;
        let look_up = permit.to_see_effects(&passage.snapshot.policy, endpoint)?;
        let showing = Showing::of(endpoint)?;
        let question = match showing {
            Showing::Tickets(variable) => Question::TicketsAbout(call.variable(endpoint, variable)?),
            Showing::Ticket(variable) => Question::Ticket(call.variable(endpoint, variable)?),
            Showing::Order(variable) => Question::Order(call.variable(endpoint, variable)?),
            Showing::ShipNotices(variable) => Question::ShipNotices(call.variable(endpoint, variable)?),
            Showing::Product(sku, site) => Question::Product(call.variable(endpoint, sku)?, call.value_at(site)?),
        };
        let read = self.ask(passage, &look_up, question).await.ok()?;
        match (showing, read.status.as_u16()) {
            (Showing::Tickets(_), 204) => Some(Evidence::Tickets(Vec::new())),
            (Showing::ShipNotices(_), 204) => Some(Evidence::State("none".to_owned())),
            (Showing::Tickets(_), 200) => Ticket::all_in(read.body()).map(Evidence::Tickets),
            (Showing::Product(sku, site), 403 | 404) => {
                let (sku, site) = (call.variable(endpoint, sku)?, call.value_at(site)?);
                self.is_no_product(passage, &look_up, sku, site).await.then(|| Evidence::State("none".to_owned()))
            }
            (_, 200) => {
                let digest = digest::digest(&digest::SHA256, read.body());
                Some(Evidence::State(
                    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat(),
                ))
            }
            // A page of several shows some of them, and an error nothing.
            _ => None,
        }
    }

    /// Whether a nickname certainly has no product with this number. ClickBank answers 403 to what there is not, and to much
    /// else, such as too many requests. A whole list in which the number stands nowhere means one thing.
    async fn is_no_product(&self, passage: &Passage, look_up: &LookupPermit, sku: &str, site: &str) -> bool {
        match self.ask(passage, look_up, Question::Products(site)).await {
            Ok(read) if read.status.as_u16() == 200 => {
                let (text, sku) = (read.body().to_ascii_lowercase(), sku.to_ascii_lowercase());
                !sku.is_empty() && !text.windows(sku.len()).any(|part| part == sku.as_bytes())
            }
            _ => false,
        }
    }

    /// Asks ClickBank, in the way of every call. Few calls need it, so what it takes is not part of all of them.
    fn ask<'a>(
        &'a self,
        passage: &'a Passage,
        permit: &'a LookupPermit,
        question: Question<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<Read, Rejection>> + Send + 'a>> {
        Box::pin(self.send(passage, permit, question))
    }

    async fn send(&self, passage: &Passage, permit: &LookupPermit, question: Question<'_>) -> Result<Read, Rejection> {
        // A receipt of ClickBank's own that makes no call belongs to nobody.
        let look_up = permit.ask(passage, question).ok_or(Rejection::NotYoursOrUnknown)?;
        passage.trail.facts().look_ups += 1;
        let (caller, credential) = (look_up.caller(), look_up.credential());
        let proven = Proven {
            passage: passage.aside(),
            call: look_up.call,
            answer: Some(AnswerType::Json),
            page: None,
            errand: Errand::Question { caller, credential },
            charges: Vec::new(),
        };
        let shaped = self.shape.step(proven).await?;
        let received = self.forward.step(self.inject.check(shaped)?).await?;
        self.guard.read(received).await
    }
}

impl Step for Prove {
    type In = Permitted;
    type Out = Proven;

    async fn step(&self, mut permitted: Permitted) -> Result<Proven, Rejection> {
        let caller = permitted.permit.caller();
        let endpoint = permitted.passage.snapshot.policy.catalogue.endpoint(permitted.call.endpoint());
        if endpoint.is_some_and(|endpoint| endpoint.changes != Changes::Nothing) && self.shape.changes_are_stopped() {
            return Err(Rejection::ChangesSwitchedOff);
        }
        if permitted.passage.flight.is_none() {
            self.shape.admit(&mut permitted.passage, caller).await?;
        }
        // Decided again, it has no more time than it had.
        let turn_by = match permitted.passage.budget {
            Some(budget) => budget.turn_by,
            None => Instant::now() + permitted.passage.snapshot.limits.max_wait,
        };
        permitted.passage.budget = Some(Budget { turn_by, answer_by: turn_by + self.patience });
        self.check_caps(&permitted).await?;
        let permitted = self.see_reach(permitted).await?;
        let owned = match permitted.permit.safeguard().proof() {
            Some(Proof { subject, .. }) => Some(self.look_up(&permitted, subject).await?),
            None => None,
        };
        if let Some(pledge) = permitted.passage.pledge.clone() {
            match pledge.wants() {
                Some(Wanted::Before) => {
                    pledge.leave_trace(&permitted.passage.trail).await?;
                    pledge.note(self.evidence(&permitted).await);
                }
                Some(Wanted::After) => return Err(pledge.conclude(self.evidence(&permitted).await.as_ref()).await),
                // What cannot be kept of it is missed by others, and holds it up as little as having no ledger would.
                Some(Wanted::Nothing) => pledge.leave_trace(&permitted.passage.trail).await.unwrap_or_default(),
                None => {}
            }
        }
        let charges = self.charges(&permitted, owned.as_ref()).await?;
        let Permitted { mut passage, call, answer, page, permit, .. } = permitted;
        if passage.snapshot.policy.catalogue.endpoint(call.endpoint()).is_none_or(|it| it.changes != Changes::Nothing) {
            // Whatever came before: of a change that is sent and given up nobody knows whether it was made.
            passage.budget = Some(Budget { turn_by, answer_by: turn_by.max(Instant::now()) + self.patience });
        }
        let errand = Errand::Call(permit, owned.map(|owned| owned.receipt));
        Ok(Proven { passage, call, answer, page, errand, charges })
    }
}

/// Compares the nicknames that ClickBank says a credential reaches with those that are declared, and notes what came of
/// it.
fn compare(passage: &Passage, id: CredentialId, read: &Read) -> Result<Shown, Rejection> {
    match read.status.as_u16() {
        200 => {}
        // A part of the list, or none, says nothing of the rest.
        201..=299 | 500.. => return Err(Rejection::LookUpFailed),
        // ClickBank says no more to a key that it does not accept, and a key that reads orders may ask this.
        _ => return Err(Rejection::CredentialRefused),
    }
    let policy = &passage.snapshot.policy;
    let declared = policy.credentials.reach(id, PermissionSet::default().with(Permission::OrdersRead));
    let names = Names::new(&policy.nicknames, declared);
    let (mut shown, mut outside) = (Shown::default(), false);
    each_row(read, |row| {
        let Some(owner) = row.certain_owner().filter(|_| !row.is_flawed()) else { return Verdict::Refuse };
        match policy.nicknames.find(owner) {
            Some(nickname) => shown.declared.insert(nickname),
            None => shown.undeclared.push(owner.to_owned()),
        }
        outside |= !declared.is_all() && !names.declare(owner);
        Verdict::Keep
    })
    .map_err(|_| Rejection::AnswerUnreadable)?;
    let found = shown.declared.intersection(declared.declared());
    let seen = Seen { wider: outside, narrower: !declared.declared().is_subset(&found) };
    if seen.wider {
        passage.trail.facts().alarm("reach-wider-than-declared");
    } else if found.is_empty() {
        // A key that reads orders reaches somebody, so this was no answer to the question.
        passage.trail.facts().upstream_fault = Some("reach-not-shown");
        return Err(Rejection::LookUpFailed);
    } else if seen.narrower {
        passage.trail.facts().upstream_fault = Some("reach-narrower-than-declared");
    }
    policy.credentials.see(id, seen);
    Ok(shown)
}

/// Until when everything that is asked for this request has to be answered.
fn answer_by(passage: &Passage) -> Instant {
    passage.budget.map_or_else(Instant::now, |budget| budget.answer_by)
}

/// Whether what was looked up a while ago counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    Counts,
    IsNotAsked,
}

/// What is known of it, or else what asking tells, which is kept if it is the caller's.
async fn remembered(
    passage: &Passage,
    permit: &LookupPermit,
    allowed: &NicknameSet,
    subject: known::Subject,
    memory: Memory,
    asking: impl Future<Output = Result<Owned, Rejection>> + Send,
) -> Result<Owned, Rejection> {
    if memory == Memory::IsNotAsked {
        passage.trail.facts().owners_unknown += 1;
        return asking.await;
    }
    let known = &passage.snapshot.known;
    let question = known::Question { caller: permit.caller(), credential: permit.credential(), subject };
    if let Some(owned) = known.owned(&question) {
        passage.trail.facts().owners_known += 1;
        return Ok(owned);
    }
    passage.trail.facts().owners_unknown += 1;
    let owned = known.ask(&question, answer_by(passage), asking).await?;
    if owned.sellers.are_within(allowed) {
        known.keep(question, owned.clone());
    }
    Ok(owned)
}

/// Has each row of an answer about an order or ticket taken in. Whatever else ClickBank says to a receipt or ticket tells
/// nobody anything, unless it failed; and a row that does not tell whose it is, is nobody's.
fn each_row_of_the_callers<'a>(
    passage: &Passage,
    read: &'a Read,
    mut is_told: impl FnMut(&Row<'a>) -> bool,
) -> Result<(), Rejection> {
    match read.status.as_u16() {
        200 => {}
        500.. => return Err(Rejection::LookUpFailed),
        // A page of several could leave out a seller.
        _ => return Err(Rejection::NotYoursOrUnknown),
    }
    let told = each_row(read, |row| if is_told(row) { Verdict::Keep } else { Verdict::Refuse });
    told.map_err(|error| {
        // Operators get to know of an answer that is built unlike any other.
        if error == ReadError::Unreadable {
            passage.trail.facts().upstream_fault = Some("look-up-unreadable");
        }
        Rejection::NotYoursOrUnknown
    })
}

/// Has each row of an answer looked at.
fn each_row<'a>(read: &'a Read, judge: impl FnMut(&Row<'a>) -> Verdict) -> Result<(), ReadError> {
    let rows = read.proven().endpoint().and_then(|endpoint| endpoint.rows.as_ref()).ok_or(ReadError::Unreadable)?;
    let reader = Reader::new(rows, None, Totals::Keep);
    let text = std::str::from_utf8(read.body()).map_err(|_| ReadError::Unreadable)?;
    match read.media {
        None => Ok(()),
        Some(media) => rows::read(media, text, &reader, judge).map(drop),
    }
}
