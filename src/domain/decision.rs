//! The decision on a call: may this caller make it, with which credential, and what makes it safe.
//!
//! [`Policy::decide`] is the only place where "may this caller do this?" is answered: `stage::authorize` asks it for a
//! live request, `can-i` for a question.

use std::mem::{Discriminant, discriminant};

use super::call::{Call, confining};
use super::credential::{Choice, CredentialId, Witness};
use super::endpoint::{Changes, Endpoint, Method, Owner, Party, When};
use super::matrix::{CallerId, Named, Policy, Resolution};
use super::nickname::{NicknameId, NicknameKind, NicknameSet, Scope};
use super::permission::{Permission, PermissionSet};

/// The answer to "may this caller do this?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The call goes on.
    Allow(Allowance),
    /// It goes on, but the owner shows only in a look-up or in the answer. What is not the caller's is refused then.
    AllowIfOwned(Allowance),
    /// It does not.
    Deny(Denial),
}

/// What a call is allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The nicknames that it is about.
    pub nicknames: NicknameSet,
    /// The credential that acts; none for an open document.
    pub credential: Option<CredentialId>,
    /// What makes it true that the caller gets its own alone.
    pub safeguard: Safeguard,
}

/// What makes it true that an allowed call gives the caller its own data alone, and that the caller changes nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safeguard {
    /// ClickBank itself confines the credential to what the caller may see.
    Confined {
        /// Whether that has to be seen first: the answer would not show it.
        verify: bool,
        /// What is looked up all the same, before money is moved.
        proof: Option<Proof>,
    },
    /// The request names its owner, who is granted.
    OwnerNamed,
    /// The request is confined to this nickname as a seller, with what [`Call::confine`] adds, and rows are judged.
    RequestConfined(NicknameId),
    /// The answer's rows are judged, one by one.
    RowsJudged,
    /// The sellers of an order are looked up first.
    LookedUp(Proof),
    /// The answer is about no account.
    NobodysData,
    /// An open document, fetched without a credential.
    Document,
}

/// A look-up of an order's sellers, all of whom have to be the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// How the order is found.
    pub subject: Subject,
    /// What looks.
    pub with: Witness,
}

/// How the order is found that a call is about. Positions are those of [`Owner`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// By the receipt in this path variable.
    Receipt(usize),
    /// By the receipt of the ticket in this path variable.
    Ticket(usize),
    /// By the receipt in this parameter, of a list whose rows name their owners.
    List(usize),
    /// By the receipt in this parameter, of a list of tickets.
    Tickets(usize),
}

impl Subject {
    /// In words: what is looked up.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Receipt(_) | Self::List(_) | Self::Tickets(_) => "whose order the receipt is",
            Self::Ticket(_) => "the ticket's receipt, and whose order that is",
        }
    }
}

impl Safeguard {
    /// All words of [`Safeguard::as_str`].
    pub const WORDS: [&'static str; 7] =
        ["confined", "owner-named", "request-confined", "rows-judged", "looked-up", "nobodys-data", "document"];

    /// The word in logs and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confined { .. } => "confined",
            Self::OwnerNamed => "owner-named",
            Self::RequestConfined(_) => "request-confined",
            Self::RowsJudged => "rows-judged",
            Self::LookedUp(_) => "looked-up",
            Self::NobodysData => "nobodys-data",
            Self::Document => "document",
        }
    }

    /// In a sentence.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Confined { .. } => "ClickBank itself confines the credential to nicknames that this key may see",
            Self::OwnerNamed => "the request names its nickname, which is granted",
            Self::RequestConfined(_) => "the request is confined to one nickname, which is granted",
            Self::RowsJudged => "the answer shows whose rows it holds, and only this key's are let through",
            Self::LookedUp(_) => "whose order it is, is looked up first; what is not this key's is refused",
            Self::NobodysData => "the answer is about no account",
            Self::Document => "an open document without data, fetched without a credential",
        }
    }

    /// What is looked up before the call goes on.
    #[must_use]
    pub const fn proof(self) -> Option<Proof> {
        match self {
            Self::Confined { proof, .. } => proof,
            Self::LookedUp(proof) => Some(proof),
            _ => None,
        }
    }

    /// Whether the owner is known only after ClickBank was asked.
    const fn is_conditional(self) -> bool {
        matches!(self, Self::RowsJudged | Self::LookedUp(_) | Self::Confined { proof: Some(_), .. })
    }
}

/// Why a call is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The endpoint is never granted.
    EndpointBlocked,
    /// The caller lacks a permission, or has them on different nicknames only.
    PermissionMissing {
        /// What the endpoint needs.
        needed: PermissionSet,
        /// What the caller has nowhere. Empty when it has all, but no two on the same nickname.
        missing: PermissionSet,
    },
    /// The request names a nickname that is not granted for this endpoint, or not declared.
    NicknameNotGranted,
    /// The call would pass for one of these alone.
    NicknameRequired(Box<NicknameSet>),
    /// No credential is confined to what the caller may see, and without one the call cannot be judged.
    ConfinedCredentialRequired(Unconfined),
    /// The configuration lets nobody change anything.
    ChangesSwitchedOff,
}

/// Why a confined credential is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unconfined {
    /// No credential reaches what the call is about.
    NoCredential,
    /// The only ones that do reach more than the caller may see, and nothing in request or answer tells whose data it
    /// is.
    OwnerNowhere,
    /// A list whose page structure and counts would tell of others' rows.
    List,
    /// Orders seen as an affiliate.
    AffiliateRole,
    /// Orders of a nickname that both sells and promotes, without saying which is meant.
    RoleMissing,
    /// A filter that says otherwise than the one that would confine the request.
    OtherFilter,
    /// A request that can be confined to one nickname only, about several.
    Several,
    /// Whose order it is would have to be looked up, and no credential sees enough for that.
    NoLookUp,
    /// A parameter that the configuration lets through without knowing what it does.
    ForwardedParameter,
}

/// Whether the sellers of an order are looked up before money is moved by a credential that ClickBank itself confines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnerCheck {
    /// They are.
    #[default]
    Always,
    /// ClickBank is trusted to refuse receipts of others.
    TrustClickBank,
}

impl OwnerCheck {
    /// The names used in our files.
    pub const NAMES: [&'static str; 2] = ["always", "trust-clickbank"];

    /// Reads the name used in our files.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "always" => Some(Self::Always),
            "trust-clickbank" => Some(Self::TrustClickBank),
            _ => None,
        }
    }
}

/// What holds for all calls that change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeRules {
    /// Whether there may be any.
    pub allowed: bool,
    /// Who makes sure whose order it is.
    pub owner_check: OwnerCheck,
}

impl Default for ChangeRules {
    fn default() -> Self {
        Self { allowed: true, owner_check: OwnerCheck::default() }
    }
}

impl Policy {
    /// Whether the caller may make this call, why, and with which credential. `resolution` is what
    /// [`Policy::resolve`] said of the same caller, call and name.
    #[must_use]
    pub fn decide(&self, caller: CallerId, endpoint: &Endpoint, call: &Call, resolution: &Resolution) -> Decision {
        match self.judge(caller, endpoint, call, resolution) {
            // Where one is named already, nothing else is allowed, and no other would pass.
            Err(denial @ Denial::ConfinedCredentialRequired(_)) => {
                let alone = self.passing_alone(caller, endpoint, call, &resolution.allowed);
                Decision::Deny(if alone.is_empty() { denial } else { Denial::NicknameRequired(Box::new(alone)) })
            }
            Err(denial) => Decision::Deny(denial),
            Ok(allowance) if allowance.safeguard.is_conditional() => Decision::AllowIfOwned(allowance),
            Ok(allowance) => Decision::Allow(allowance),
        }
    }

    /// The nicknames for which the call would pass if the caller named one of them.
    fn passing_alone(&self, caller: CallerId, endpoint: &Endpoint, call: &Call, allowed: &Scope) -> NicknameSet {
        let passes = |id: &NicknameId| {
            let resolution = self.resolve(caller, endpoint, call, Named::Nickname(*id));
            self.judge(caller, endpoint, call, &resolution).is_ok()
        };
        allowed.declared().iter().filter(passes).collect()
    }

    fn judge(
        &self,
        caller: CallerId,
        endpoint: &Endpoint,
        call: &Call,
        resolution: &Resolution,
    ) -> Result<Allowance, Denial> {
        match endpoint.owner {
            Owner::Credential => return Err(Denial::EndpointBlocked),
            Owner::Document => {
                let (nicknames, safeguard) = (NicknameSet::default(), Safeguard::Document);
                return Ok(Allowance { nicknames, credential: None, safeguard });
            }
            _ => {}
        }
        self.check_grants(caller, endpoint, resolution)?;
        if endpoint.changes != Changes::Nothing && !self.changes.allowed {
            return Err(Denial::ChangesSwitchedOff);
        }
        let confined_required = Denial::ConfinedCredentialRequired;
        let choice = resolution.choice.ok_or(confined_required(Unconfined::NoCredential))?;
        if call.has_forwarded() && !choice.confined {
            return Err(confined_required(Unconfined::ForwardedParameter));
        }
        let safeguard = if endpoint.owner == Owner::Nobody {
            Safeguard::NobodysData
        } else if choice.confined {
            let reach = self.credentials.reach(choice.credential, endpoint.permissions);
            let exact = [resolution.allowed.declared(), &resolution.effective].contains(&reach.declared());
            // A sale shows in the role of its affiliate only where its seller is not in reach, so a key that reaches some of
            // the caller's nicknames would show some of these sales and not others.
            if matches!(asks_as(endpoint, call), Role::Known(Party::Affiliate) | Role::Unknown) && !exact {
                return Err(confined_required(Unconfined::AffiliateRole));
            }
            // Only of a change there is anything to count.
            let has_to_be_counted = || self.caps.need_owner(caller, &resolution.effective, call.effects(endpoint));
            let proof =
                self.proof_besides(endpoint, has_to_be_counted, choice.credential).map_err(confined_required)?;
            // What is proven of the order itself need not be concluded from the credential's reach.
            let verify = proof.is_none() && self.has_to_be_verified(endpoint, call, choice.credential);
            Safeguard::Confined { verify, proof }
        } else {
            self.behind_a_wide_one(endpoint, call, choice, &resolution.effective).map_err(confined_required)?
        };
        Ok(Allowance { nicknames: resolution.effective, credential: Some(choice.credential), safeguard })
    }

    fn check_grants(&self, caller: CallerId, endpoint: &Endpoint, resolution: &Resolution) -> Result<(), Denial> {
        let needed = endpoint.permissions;
        let missing: PermissionSet =
            needed.iter().filter(|permission| self.matrix.grant(caller, *permission).is_empty()).collect();
        if !missing.is_empty() || self.matrix.allowed(caller, needed).is_empty() {
            return Err(Denial::PermissionMissing { needed, missing });
        }
        if resolution.outside { Err(Denial::NicknameNotGranted) } else { Ok(()) }
    }

    /// Whether a confined credential's reach has to be seen before this call trusts it: neither does the request name an
    /// owner nor would the answer show one before it is too late. ClickBank tells the reach of *Orders Read* alone, and
    /// *All Accounts* cannot be more than that.
    fn has_to_be_verified(&self, endpoint: &Endpoint, call: &Call, credential: CredentialId) -> bool {
        let reads = self.credentials.reach(credential, PermissionSet::default().with(Permission::OrdersRead));
        // Nobody knows whether a forwarded parameter names another one.
        let named =
            matches!(endpoint.owner, Owner::Parameter(_) | Owner::Nobody | Owner::Document) && !call.has_forwarded();
        let shown = endpoint.changes == Changes::Nothing && shows_owner(endpoint);
        !named && !shown && !reads.is_all() && !reads.is_empty()
    }

    /// What is looked up although the credential is confined: of a call that moves money, ClickBank's word alone is not
    /// taken for it, and some changes cannot be counted otherwise.
    fn proof_besides(
        &self,
        endpoint: &Endpoint,
        has_to_be_counted: impl FnOnce() -> bool,
        credential: CredentialId,
    ) -> Result<Option<Proof>, Unconfined> {
        let subject = match endpoint.owner {
            Owner::Receipt(variable) => Subject::Receipt(variable),
            Owner::Ticket(variable) => Subject::Ticket(variable),
            _ => return Ok(None),
        };
        let wanted = match endpoint.changes {
            Changes::Nothing => false,
            Changes::Something => has_to_be_counted(),
            Changes::Money => self.changes.owner_check == OwnerCheck::Always || has_to_be_counted(),
        };
        if !wanted {
            return Ok(None);
        }
        self.proof(endpoint, subject, credential).map(Some)
    }

    fn proof(&self, endpoint: &Endpoint, subject: Subject, acting: CredentialId) -> Result<Proof, Unconfined> {
        let with = self.credentials.looking_up(acting, endpoint.permissions).ok_or(Unconfined::NoLookUp)?;
        Ok(Proof { subject, with })
    }

    /// What it takes behind a credential that reaches more than the caller may see.
    fn behind_a_wide_one(
        &self,
        endpoint: &Endpoint,
        call: &Call,
        choice: Choice,
        effective: &NicknameSet,
    ) -> Result<Safeguard, Unconfined> {
        let look_up = |subject| self.proof(endpoint, subject, choice.credential).map(Safeguard::LookedUp);
        // Of a change the owner has to be known before anything is sent.
        let only_reads = endpoint.changes == Changes::Nothing;
        match endpoint.owner {
            Owner::Parameter(_) => Ok(Safeguard::OwnerNamed),
            Owner::AccountFilter(_)
            | Owner::OrderFilters { .. }
            | Owner::AnswerRows
            | Owner::AnswerAccounts
            | Owner::AnswerList(_)
            | Owner::Tickets(_)
                if !only_reads =>
            {
                Err(Unconfined::OwnerNowhere)
            }
            Owner::Nobody => Ok(Safeguard::NobodysData),
            Owner::AccountFilter(_) | Owner::OrderFilters { .. } => {
                self.confinable(endpoint, call, effective).map(Safeguard::RequestConfined)
            }
            // On which page a row stands tells of the rows before it.
            Owner::AnswerRows | Owner::AnswerAccounts if endpoint.paged => Err(Unconfined::List),
            Owner::AnswerRows | Owner::AnswerAccounts if shows_owner(endpoint) => Ok(Safeguard::RowsJudged),
            Owner::Receipt(variable) => look_up(Subject::Receipt(variable)),
            Owner::Ticket(variable) => look_up(Subject::Ticket(variable)),
            Owner::AnswerList(receipt) if call.has_receipt_at(receipt) && shows_owner(endpoint) => {
                look_up(Subject::List(receipt))
            }
            Owner::Tickets(receipt) if call.has_receipt_at(receipt) && shows_receipt(endpoint) => {
                look_up(Subject::Tickets(receipt))
            }
            Owner::AnswerList(_) | Owner::Tickets(_) => Err(Unconfined::List),
            // Of the last two no call gets here.
            Owner::AnswerRows | Owner::AnswerAccounts | Owner::Nowhere | Owner::Document | Owner::Credential => {
                Err(Unconfined::OwnerNowhere)
            }
        }
    }

    /// The nickname to which a request with optional filters can be confined as a seller, with what [`Call::confine`]
    /// adds. What ClickBank shows of a sale to its affiliate depends on whether the credential reaches the seller too, so
    /// an affiliate's orders are no matter for a wide credential.
    fn confinable(&self, endpoint: &Endpoint, call: &Call, effective: &NicknameSet) -> Result<NicknameId, Unconfined> {
        let role = asks_as(endpoint, call);
        match role {
            Role::Known(Party::Affiliate) => return Err(Unconfined::AffiliateRole),
            Role::Unknown => return Err(Unconfined::OtherFilter),
            Role::Known(Party::Vendor) | Role::Unsaid => {}
        }
        let nickname = effective.only().ok_or(Unconfined::Several)?;
        if role == Role::Unsaid && matches!(endpoint.owner, Owner::OrderFilters { .. }) {
            match self.nicknames.kind(nickname) {
                Some(NicknameKind::Seller) => {}
                // Its orders are seen in no other role, so leaving it out asks for the same.
                Some(NicknameKind::Affiliate) => return Err(Unconfined::AffiliateRole),
                Some(NicknameKind::Both) | None => return Err(Unconfined::RoleMissing),
            }
        }
        let agrees = confining(endpoint.owner, self.nicknames.name(nickname))
            .all(|(position, value)| call.value_at(position).is_none_or(|given| given.eq_ignore_ascii_case(value)));
        if agrees { Ok(nickname) } else { Err(Unconfined::OtherFilter) }
    }
}

/// What a call of this endpoint takes behind a credential that reaches more than the caller may see, in words: what
/// [`Policy::decide`] would come to.
#[must_use]
pub fn behind_a_wide_credential(endpoint: &Endpoint) -> &'static str {
    const REFUSED: &str = "refused";
    let only_reads = endpoint.changes == Changes::Nothing;
    match endpoint.owner {
        Owner::Document => "no credential acts",
        Owner::Credential => "never granted",
        Owner::Nobody => "nothing more",
        Owner::Parameter(_) => "nothing more: the request names the nickname",
        Owner::Receipt(_) => "the order is looked up: all its sellers have to be the caller's",
        Owner::Ticket(_) => "the ticket and its order are looked up: all sellers have to be the caller's",
        _ if !only_reads => REFUSED,
        Owner::AccountFilter(_) => "one nickname at a time: `account` is added, rows are judged",
        Owner::OrderFilters { .. } if !shows_owner(endpoint) => {
            "one nickname at a time, as a seller: `vendor` and `role=VENDOR` are added"
        }
        Owner::OrderFilters { .. } => {
            "one nickname at a time, as a seller: `vendor` and `role=VENDOR` are added, rows are judged"
        }
        Owner::AnswerRows | Owner::AnswerAccounts if shows_owner(endpoint) && !endpoint.paged => {
            "others' rows are cut out"
        }
        Owner::AnswerList(_) if shows_owner(endpoint) => "an exact `receipt`, whose order is looked up; else refused",
        Owner::Tickets(_) if shows_receipt(endpoint) => "an exact `receipt`, whose order is looked up; else refused",
        Owner::AnswerRows | Owner::AnswerAccounts | Owner::AnswerList(_) | Owner::Tickets(_) | Owner::Nowhere => {
            REFUSED
        }
    }
}

/// The role that a list of orders is asked for in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Unsaid,
    Known(Party),
    /// Of a spelling like this nobody knows which role ClickBank takes it for.
    Unknown,
}

fn asks_as(endpoint: &Endpoint, call: &Call) -> Role {
    let given = match endpoint.owner {
        Owner::OrderFilters { role, .. } => call.value_at(role),
        _ => None,
    };
    given.map_or(Role::Unsaid, |role| Party::parse(role).map_or(Role::Unknown, Role::Known))
}

/// What of an endpoint decides about a call, other than the call itself. Of endpoints of one kind the same is decided.
#[derive(PartialEq, Eq)]
pub(super) struct Kind {
    owner: Discriminant<Owner>,
    permissions: PermissionSet,
    changes: Changes,
    shows_owner: bool,
    shows_receipt: bool,
    is_paged: bool,
    /// Whether some calls count towards caps that others do not.
    counts: [bool; 2],
}

impl Kind {
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        Self {
            owner: discriminant(&endpoint.owner),
            permissions: endpoint.permissions,
            changes: endpoint.changes,
            shows_owner: shows_owner(endpoint),
            shows_receipt: shows_receipt(endpoint),
            is_paged: endpoint.paged,
            counts: [&endpoint.refunds, &endpoint.cancels].map(|when| *when != When::Never),
        }
    }
}

/// Whether the answer's rows name their owner.
fn shows_owner(endpoint: &Endpoint) -> bool {
    endpoint.method != Method::Head && endpoint.rows.as_ref().is_some_and(|rows| rows.owner.is_some())
}

/// Whether the answer's rows name their receipt.
fn shows_receipt(endpoint: &Endpoint) -> bool {
    endpoint.method != Method::Head && endpoint.rows.as_ref().is_some_and(|rows| rows.receipt.is_some())
}

#[cfg(test)]
mod tests {
    use super::super::caps::CapTable;
    use super::super::catalogue::Catalogue;
    use super::super::credential::{Credentials, ScopeByPermission};
    use super::super::endpoint::Rows;
    use super::super::matrix::Matrix;
    use super::super::nickname::{Nickname, Nicknames};
    use super::*;
    use crate::config::built_in_endpoints;

    /// What is decided about an endpoint made of a built-in one, for a caller who may do everything on `a`, behind a
    /// credential that reaches `b` as well.
    fn decide(like: &str, change: impl Fn(&mut Endpoint), query: &str) -> Result<Safeguard, Denial> {
        let mut nicknames = Nicknames::default();
        let [a, b] = ["a", "b"].map(|name| nicknames.declare(Nickname::parse(name).unwrap(), NicknameKind::Seller));
        let everything = |scope: &Scope| {
            let mut scopes = ScopeByPermission::default();
            for permission in Permission::ALL {
                scopes.add(permission, scope);
            }
            scopes
        };
        let mine = Scope::only(NicknameSet::single(a.unwrap()));
        let both = Scope::only([a.unwrap(), b.unwrap()].into_iter().collect());
        let mut endpoint = built_in_endpoints().unwrap().into_iter().find(|endpoint| endpoint.name == like).unwrap();
        change(&mut endpoint);
        let policy = Policy {
            catalogue: Catalogue::new(vec![endpoint]),
            nicknames,
            credentials: Credentials::new([("wide".to_owned(), everything(&both))]),
            matrix: Matrix::new([everything(&mine)]),
            changes: ChangeRules::default(),
            caps: CapTable::default(),
        };
        let (_, endpoint) = policy.catalogue.iter().next().unwrap();
        let path = endpoint.path.to_string().replace("{receipt}", "ABCD1234").replace("{id}", "1");
        let call = Call::read(&policy.catalogue, endpoint.method.as_str(), &format!("/rest/1.3{path}{query}")).unwrap();
        let caller = policy.matrix.callers().next().unwrap();
        let resolution = policy.resolve(caller, endpoint, &call, Named::Nothing);
        match policy.decide(caller, endpoint, &call, &resolution) {
            Decision::Allow(allowance) | Decision::AllowIfOwned(allowance) => Ok(allowance.safeguard),
            Decision::Deny(denial) => Err(denial),
        }
    }

    #[test]
    fn a_change_goes_on_only_where_its_owner_is_known_before() {
        let refused = Err(Denial::ConfinedCredentialRequired(Unconfined::OwnerNowhere));
        for (like, query, reads) in [
            ("quickstats.list", "", "request-confined"),
            ("orders2.list", "", "request-confined"),
            ("orders2.get", "", "rows-judged"),
            ("quickstats.accounts", "", "rows-judged"),
            ("shipping2.list", "?receipt=ABCD1234", "looked-up"),
            ("tickets.list", "?receipt=ABCD1234", "looked-up"),
        ] {
            assert_eq!(decide(like, |_| {}, query).map(Safeguard::as_str), Ok(reads), "{like}");
            for changes in [Changes::Something, Changes::Money] {
                assert_eq!(decide(like, |endpoint| endpoint.changes = changes, query), refused, "{like} {changes:?}");
            }
        }
        let named = decide("products.list", |endpoint| endpoint.changes = Changes::Something, "?site=a");
        assert_eq!(named, Ok(Safeguard::OwnerNamed));
        for like in ["shipping2.shipnotice.get", "tickets.get"] {
            for changes in [Changes::Something, Changes::Money] {
                let change = decide(like, |endpoint| endpoint.changes = changes, "");
                assert_eq!(change.map(Safeguard::as_str), Ok("looked-up"), "{like}");
            }
        }
    }

    #[test]
    fn behind_a_confined_credential_it_is_proven_whose_order_it_is_before_money_is_moved() {
        let mut nicknames = Nicknames::default();
        let a = nicknames.declare(Nickname::parse("a").unwrap(), NicknameKind::Seller).unwrap();
        let row = |permissions: &[Permission]| {
            let mut scopes = ScopeByPermission::default();
            for permission in permissions {
                scopes.add(*permission, &Scope::only(NicknameSet::single(a)));
            }
            scopes
        };
        let policy = |reach: &[Permission], changes| Policy {
            catalogue: Catalogue::new(built_in_endpoints().unwrap()),
            nicknames: nicknames.clone(),
            credentials: Credentials::new([("a".to_owned(), row(reach))]),
            matrix: Matrix::new([row(&Permission::ALL)]),
            changes,
            caps: CapTable::default(),
        };
        let decided = |reach: &[Permission], changes, method: &str, path: &str| {
            let policy = policy(reach, changes);
            let call = Call::read(&policy.catalogue, method, &format!("/rest/1.3{path}")).unwrap();
            let endpoint = policy.catalogue.endpoint(call.endpoint()).unwrap();
            let caller = policy.matrix.callers().next().unwrap();
            let resolution = policy.resolve(caller, endpoint, &call, Named::Nothing);
            match policy.decide(caller, endpoint, &call, &resolution) {
                Decision::AllowIfOwned(allowance) => allowance.safeguard.proof().map_or("?", |_| "proven"),
                Decision::Allow(allowance) => allowance.safeguard.as_str(),
                Decision::Deny(Denial::ConfinedCredentialRequired(Unconfined::NoLookUp)) => "no look-up",
                Decision::Deny(Denial::ChangesSwitchedOff) => "switched off",
                Decision::Deny(other) => panic!("{other:?}"),
            }
        };
        let refund = ("POST", "/tickets/ABCD1234?type=rfnd&reason=ticket.type.refund.8");
        let notice = ("POST", "/shipping2/shipnotice/ABCD1234?date=2026-11-24&carrier=x");
        let (checked, trusting) =
            (ChangeRules::default(), ChangeRules { owner_check: OwnerCheck::TrustClickBank, ..ChangeRules::default() });
        let off = ChangeRules { allowed: false, ..ChangeRules::default() };
        for (reach, changes, (method, path), expected) in [
            (&Permission::ALL[..], checked, refund, "proven"),
            (&Permission::ALL, trusting, refund, "confined"),
            (&Permission::ALL, checked, notice, "confined"),
            (&Permission::ALL, off, notice, "switched off"),
            (&Permission::ALL, off, ("GET", "/tickets/1"), "confined"),
            (&[Permission::SubscriptionModification], checked, ("POST", "/orders2/ABCD1234/reinstate"), "no look-up"),
            (&[Permission::SubscriptionModification], trusting, ("POST", "/orders2/ABCD1234/reinstate"), "confined"),
        ] {
            assert_eq!(decided(reach, changes, method, path), expected, "{reach:?} {changes:?} {path}");
        }
    }

    #[test]
    fn rows_that_nobody_knows_the_owner_of_are_no_safeguard() {
        let refused = |why| Err(Denial::ConfinedCredentialRequired(why));
        let without_owner = |endpoint: &mut Endpoint| {
            let rows = endpoint.rows.take();
            endpoint.rows = rows.map(|rows| Rows { owner: None, ..rows });
        };
        let without_rows = |endpoint: &mut Endpoint| endpoint.rows = None;
        // To HEAD there is no answer that could show them.
        let unseen = |endpoint: &mut Endpoint| endpoint.method = Method::Head;
        for change in [&without_owner as &dyn Fn(&mut Endpoint), &without_rows, &unseen] {
            for like in ["orders2.get", "quickstats.accounts"] {
                assert_eq!(decide(like, change, ""), refused(Unconfined::OwnerNowhere), "{like}");
            }
            let list = decide("shipping2.list", change, "?receipt=ABCD1234");
            assert_eq!(list, refused(Unconfined::List));
            // Where the request is confined, a count will do.
            assert!(decide("orders2.list", change, "").is_ok());
        }
    }

    #[test]
    fn what_shows_the_credential_is_never_granted() {
        let shows = |endpoint: &mut Endpoint| endpoint.owner = Owner::Credential;
        assert_eq!(decide("analytics.status", shows, ""), Err(Denial::EndpointBlocked));
    }

    #[test]
    fn what_is_said_of_an_endpoint_is_what_is_decided() {
        let as_it_is = |_: &mut Endpoint| {};
        let changes = |endpoint: &mut Endpoint| endpoint.changes = Changes::Something;
        let paged = |endpoint: &mut Endpoint| endpoint.paged = true;
        let no_owner = |endpoint: &mut Endpoint| {
            let rows = endpoint.rows.take();
            endpoint.rows = rows.map(|rows| Rows { owner: None, ..rows });
        };
        let no_receipt = |endpoint: &mut Endpoint| {
            let rows = endpoint.rows.take();
            endpoint.rows = rows.map(|rows| Rows { receipt: None, ..rows });
        };
        let confined = "one nickname at a time, as a seller: `vendor` and `role=VENDOR` are added";
        let exact = "an exact `receipt`, whose order is looked up; else refused";
        for (like, change, expected) in [
            ("products.list", &as_it_is as &dyn Fn(&mut Endpoint), "nothing more: the request names the nickname"),
            ("products.list", &changes, "nothing more: the request names the nickname"),
            ("analytics.status", &as_it_is, "nothing more"),
            ("quickstats.list", &as_it_is, "one nickname at a time: `account` is added, rows are judged"),
            ("quickstats.list", &changes, "refused"),
            ("orders2.list", &as_it_is, &format!("{confined}, rows are judged")),
            ("orders2.list", &no_owner, confined),
            ("orders2.list", &changes, "refused"),
            ("orders2.get", &as_it_is, "others' rows are cut out"),
            ("orders2.get", &changes, "refused"),
            ("orders2.get", &paged, "refused"),
            ("orders2.get", &no_owner, "refused"),
            ("quickstats.accounts", &as_it_is, "others' rows are cut out"),
            ("quickstats.accounts", &paged, "refused"),
            ("shipping2.list", &as_it_is, exact),
            ("shipping2.list", &no_owner, "refused"),
            ("shipping2.list", &changes, "refused"),
            ("tickets.list", &as_it_is, exact),
            ("tickets.list", &no_receipt, "refused"),
            ("tickets.list", &changes, "refused"),
            ("shipping2.count", &as_it_is, "refused"),
            ("shipping2.shipnotice.get", &as_it_is, "the order is looked up: all its sellers have to be the caller's"),
            ("shipping2.shipnotice.get", &changes, "the order is looked up: all its sellers have to be the caller's"),
            ("tickets.get", &as_it_is, "the ticket and its order are looked up: all sellers have to be the caller's"),
            ("tickets.get", &changes, "the ticket and its order are looked up: all sellers have to be the caller's"),
        ] {
            let mut endpoint =
                built_in_endpoints().unwrap().into_iter().find(|endpoint| endpoint.name == like).unwrap();
            change(&mut endpoint);
            assert_eq!(behind_a_wide_credential(&endpoint), expected, "{like}");
            let query = match endpoint.owner {
                Owner::Parameter(_) => "?site=a",
                Owner::AnswerList(_) | Owner::Tickets(_) => "?receipt=ABCD1234",
                _ => "",
            };
            let decided = match decide(like, change, query) {
                Err(Denial::ConfinedCredentialRequired(_)) => "refused",
                Err(other) => panic!("{like}: {other:?}"),
                Ok(_) => "allowed",
            };
            let said = if expected == "refused" { expected } else { "allowed" };
            assert_eq!(decided, said, "{like}");
        }
    }

    #[test]
    fn for_a_call_about_somebody_elses_nickname_no_credential_is_proposed() {
        let mut nicknames = Nicknames::default();
        let [a, b] = ["a", "b"].map(|name| nicknames.declare(Nickname::parse(name).unwrap(), NicknameKind::Seller));
        let products = |names: &[Option<NicknameId>]| {
            let mut scopes = ScopeByPermission::default();
            scopes.add(Permission::Products, &Scope::only(names.iter().copied().flatten().collect()));
            scopes
        };
        let policy = Policy {
            catalogue: Catalogue::new(built_in_endpoints().unwrap()),
            nicknames,
            credentials: Credentials::new([("both".to_owned(), products(&[a, b]))]),
            matrix: Matrix::new([products(&[a])]),
            changes: ChangeRules::default(),
            caps: CapTable::default(),
        };
        let caller = policy.matrix.callers().next().unwrap();
        for (site, expected) in [("a", false), ("b", true), ("c", true)] {
            let call = Call::read(&policy.catalogue, "GET", &format!("/rest/1.3/products/list?site={site}")).unwrap();
            let endpoint = policy.catalogue.endpoint(call.endpoint()).unwrap();
            let resolution = policy.resolve(caller, endpoint, &call, Named::Nothing);
            assert_eq!((resolution.outside, resolution.choice.is_none()), (expected, expected), "{site}");
        }
    }
}
