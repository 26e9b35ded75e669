//! Every reason for which the gateway refuses, with its public code and the sentence that says the mend.
//!
//! What a caller reads depends on its own grants, its request and the configuration only. Nothing of what ClickBank or
//! the network said is in here; that goes to the log. The HTTP status is picked in `stage::respond`.

use std::fmt;
use std::time::Duration;

use crate::domain::call::{CallError, Expected};
use crate::domain::caps::Cap;
use crate::domain::decision::{Denial, Unconfined};
use crate::domain::endpoint::{AnswerTypes, Method};
use crate::domain::matrix::Policy;
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::target::{MAX_TARGET_LENGTH, TargetError};
use crate::keys::KeyFault;

/// A reason for which the gateway refuses a request, or cannot release an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The message itself could be read in more than one way.
    Malformed(Malformed),
    /// The target is longer than ClickBank accepts.
    TargetTooLong,
    /// The head is larger, or has more header fields, than any call needs.
    HeadTooLarge,
    /// A request with a body; no endpoint takes one.
    BodyNotAllowed,
    /// No key, or none that counts.
    KeyRefused(KeyFault),
    /// The catalogue has nothing at that path.
    UnknownEndpoint,
    /// It has something, with other methods.
    MethodNotAllowed(Vec<Method>),
    /// The endpoint has no such parameter.
    UnknownParameter {
        /// Its name, if it is fit to be repeated.
        name: Option<String>,
        /// What was perhaps meant.
        meant: Option<String>,
    },
    /// A parameter is left out that has an effect of its own then.
    UnsaidParameter {
        /// Its name.
        name: String,
        /// What may be said; nothing when it is open.
        values: Vec<String>,
    },
    /// The caller accepts no type that the endpoint produces.
    NotAcceptable(AnswerTypes),
    /// The endpoint is never granted.
    EndpointBlocked,
    /// The key lacks a permission.
    PermissionMissing {
        /// What the endpoint needs.
        needed: PermissionSet,
        /// What the key has nowhere.
        missing: PermissionSet,
    },
    /// The request names a nickname that the key is not granted for this endpoint.
    NicknameNotGranted {
        /// What the endpoint needs on it.
        needed: PermissionSet,
    },
    /// The call would pass for one of these alone.
    NicknameRequired {
        /// Their names.
        nicknames: Vec<String>,
    },
    /// Without a confined credential the call cannot be judged.
    ConfinedCredentialRequired {
        /// What makes it so.
        why: Unconfined,
        /// What a credential would have to have.
        needed: PermissionSet,
        /// On which of the key's nicknames.
        nicknames: Vec<String>,
    },
    /// A receipt or ticket that is unknown, somebody else's, or not proven to be the key's. Nobody is told which.
    NotYoursOrUnknown,
    /// Another request under the same idempotency key is under way.
    IdempotencyInFlight,
    /// The idempotency key was used for another request.
    IdempotencyMismatch,
    /// There is nowhere to keep what becomes of a change.
    IdempotencyNotOffered,
    /// A change whose outcome was not known turns out not to have been made.
    ChangeNotExecuted,
    /// The operator lets nobody change anything.
    ChangesSwitchedOff,
    /// Enough was changed in the last hour.
    CapReached {
        /// Which cap.
        cap: Cap,
        /// Whose, if not the key's.
        nickname: Option<String>,
        /// When it may go; none where it alone exceeds the cap.
        retry_after: Option<Duration>,
    },
    /// A cap bounds how much may be refunded, and ClickBank does not tell how much this is.
    RefundAmountUnknown,
    /// The turn would come too late.
    LimitPerSecond {
        /// When to try again.
        retry_after: Duration,
    },
    /// The day's requests are spent.
    LimitPerDay {
        /// When to try again.
        retry_after: Duration,
    },
    /// No connection to ClickBank; nothing was sent.
    UpstreamUnreachable,
    /// ClickBank did not answer a read in time.
    UpstreamTimeout,
    /// A connection broke during a read, or the answer is nothing that can be released.
    AnswerUnreadable,
    /// The answer is larger than `max_answer`.
    AnswerTooLarge,
    /// ClickBank failed when the gateway asked it a question of its own, before the call went on.
    LookUpFailed,
    /// ClickBank does not accept the credential.
    CredentialRefused,
    /// ClickBank's answer repeats the credential.
    CredentialEchoed {
        /// Whether it answered, and refused, a change. Otherwise it answered a read.
        of_change: bool,
    },
    /// A change was sent, and no answer came.
    OutcomeUnknown,
    /// A change was done, and its answer cannot be released.
    ExecutedAnswerWithheld,
    /// Too much is going on at once.
    Overloaded,
    /// While the request waited, something changed that it was decided on, so it is decided again. No caller gets to see
    /// this.
    Overtaken,
}

/// Why a message could be read in more than one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Not exactly one well-formed `Host`.
    Host,
    /// A protocol other than HTTP/1.1 or 1.0.
    Version,
    /// A line that ends otherwise than with carriage return and line feed.
    LineEnd,
    /// A request line that is not method, target and version.
    RequestLine,
    /// A line that is no header field, or a value with characters that none may have.
    Field,
    /// A length that is no number, or stands more than once.
    ContentLength,
    /// A transfer coding other than a single `chunked`.
    TransferEncoding,
    /// `Upgrade`, or `HTTP2-Settings`.
    Upgrade,
    /// A header whose name reads like one of ours once `_` or `.` are folded.
    HeaderAlias,
    /// A header that decides about the request is repeated or malformed.
    Header(&'static str),
    /// The body did not end in time, or not as announced.
    Body,
    /// The target.
    Target(TargetError),
    /// A parameter stands more than once.
    RepeatedParameter(String),
    /// A parameter is missing.
    MissingParameter(String),
    /// A parameter has a value that it cannot have.
    Value {
        /// Its name.
        name: String,
        /// What it may be.
        expected: Expected,
    },
    /// Header and base path name different nicknames.
    TwoNicknames,
}

/// The stable word for a reason, in `Gateway-Error`, in answers and in logs. Each has a page in `docs/errors/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// `answer-too-large`
    AnswerTooLarge,
    /// `answer-unreadable`
    AnswerUnreadable,
    /// `body-not-allowed`
    BodyNotAllowed,
    /// `cap-reached`
    CapReached,
    /// `change-not-executed`
    ChangeNotExecuted,
    /// `changes-switched-off`
    ChangesSwitchedOff,
    /// `confined-credential-required`
    ConfinedCredentialRequired,
    /// `credential-echoed`
    CredentialEchoed,
    /// `credential-refused`
    CredentialRefused,
    /// `endpoint-blocked`
    EndpointBlocked,
    /// `executed-answer-withheld`
    ExecutedAnswerWithheld,
    /// `explicit-parameter-required`
    ExplicitParameterRequired,
    /// `head-too-large`
    HeadTooLarge,
    /// `idempotency-in-flight`
    IdempotencyInFlight,
    /// `idempotency-mismatch`
    IdempotencyMismatch,
    /// `idempotency-not-offered`
    IdempotencyNotOffered,
    /// `key-refused`
    KeyRefused,
    /// `limit-per-day`
    LimitPerDay,
    /// `limit-per-second`
    LimitPerSecond,
    /// `look-up-failed`
    LookUpFailed,
    /// `malformed-request`
    MalformedRequest,
    /// `method-not-allowed`
    MethodNotAllowed,
    /// `nickname-not-granted`
    NicknameNotGranted,
    /// `nickname-required`
    NicknameRequired,
    /// `not-acceptable`
    NotAcceptable,
    /// `not-yours-or-unknown`
    NotYoursOrUnknown,
    /// `outcome-unknown`
    OutcomeUnknown,
    /// `overloaded`
    Overloaded,
    /// `permission-missing`
    PermissionMissing,
    /// `refund-amount-unknown`
    RefundAmountUnknown,
    /// `target-too-long`
    TargetTooLong,
    /// `unknown-endpoint`
    UnknownEndpoint,
    /// `unknown-parameter`
    UnknownParameter,
    /// `upstream-timeout`
    UpstreamTimeout,
    /// `upstream-unreachable`
    UpstreamUnreachable,
}

impl Code {
    /// All codes, in alphabetical order.
    pub const ALL: [Self; 35] = [
        Self::AnswerTooLarge,
        Self::AnswerUnreadable,
        Self::BodyNotAllowed,
        Self::CapReached,
        Self::ChangeNotExecuted,
        Self::ChangesSwitchedOff,
        Self::ConfinedCredentialRequired,
        Self::CredentialEchoed,
        Self::CredentialRefused,
        Self::EndpointBlocked,
        Self::ExecutedAnswerWithheld,
        Self::ExplicitParameterRequired,
        Self::HeadTooLarge,
        Self::IdempotencyInFlight,
        Self::IdempotencyMismatch,
        Self::IdempotencyNotOffered,
        Self::KeyRefused,
        Self::LimitPerDay,
        Self::LimitPerSecond,
        Self::LookUpFailed,
        Self::MalformedRequest,
        Self::MethodNotAllowed,
        Self::NicknameNotGranted,
        Self::NicknameRequired,
        Self::NotAcceptable,
        Self::NotYoursOrUnknown,
        Self::OutcomeUnknown,
        Self::Overloaded,
        Self::PermissionMissing,
        Self::RefundAmountUnknown,
        Self::TargetTooLong,
        Self::UnknownEndpoint,
        Self::UnknownParameter,
        Self::UpstreamTimeout,
        Self::UpstreamUnreachable,
    ];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AnswerTooLarge => "answer-too-large",
            Self::AnswerUnreadable => "answer-unreadable",
            Self::BodyNotAllowed => "body-not-allowed",
            Self::CapReached => "cap-reached",
            Self::ChangeNotExecuted => "change-not-executed",
            Self::ChangesSwitchedOff => "changes-switched-off",
            Self::ConfinedCredentialRequired => "confined-credential-required",
            Self::CredentialEchoed => "credential-echoed",
            Self::CredentialRefused => "credential-refused",
            Self::EndpointBlocked => "endpoint-blocked",
            Self::ExecutedAnswerWithheld => "executed-answer-withheld",
            Self::ExplicitParameterRequired => "explicit-parameter-required",
            Self::HeadTooLarge => "head-too-large",
            Self::IdempotencyInFlight => "idempotency-in-flight",
            Self::IdempotencyMismatch => "idempotency-mismatch",
            Self::IdempotencyNotOffered => "idempotency-not-offered",
            Self::KeyRefused => "key-refused",
            Self::LimitPerDay => "limit-per-day",
            Self::LimitPerSecond => "limit-per-second",
            Self::LookUpFailed => "look-up-failed",
            Self::MalformedRequest => "malformed-request",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::NicknameNotGranted => "nickname-not-granted",
            Self::NicknameRequired => "nickname-required",
            Self::NotAcceptable => "not-acceptable",
            Self::NotYoursOrUnknown => "not-yours-or-unknown",
            Self::OutcomeUnknown => "outcome-unknown",
            Self::Overloaded => "overloaded",
            Self::PermissionMissing => "permission-missing",
            Self::RefundAmountUnknown => "refund-amount-unknown",
            Self::TargetTooLong => "target-too-long",
            Self::UnknownEndpoint => "unknown-endpoint",
            Self::UnknownParameter => "unknown-parameter",
            Self::UpstreamTimeout => "upstream-timeout",
            Self::UpstreamUnreachable => "upstream-unreachable",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Rejection {
    /// The public code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => Code::MalformedRequest,
            Self::TargetTooLong => Code::TargetTooLong,
            Self::HeadTooLarge => Code::HeadTooLarge,
            Self::BodyNotAllowed => Code::BodyNotAllowed,
            Self::IdempotencyInFlight => Code::IdempotencyInFlight,
            Self::IdempotencyMismatch => Code::IdempotencyMismatch,
            Self::IdempotencyNotOffered => Code::IdempotencyNotOffered,
            Self::ChangeNotExecuted => Code::ChangeNotExecuted,
            Self::ChangesSwitchedOff => Code::ChangesSwitchedOff,
            Self::CapReached { .. } => Code::CapReached,
            Self::RefundAmountUnknown => Code::RefundAmountUnknown,
            Self::UnsaidParameter { .. } => Code::ExplicitParameterRequired,
            Self::KeyRefused(_) => Code::KeyRefused,
            Self::UnknownEndpoint => Code::UnknownEndpoint,
            Self::MethodNotAllowed(_) => Code::MethodNotAllowed,
            Self::UnknownParameter { .. } => Code::UnknownParameter,
            Self::NotAcceptable(_) => Code::NotAcceptable,
            Self::EndpointBlocked => Code::EndpointBlocked,
            Self::PermissionMissing { .. } => Code::PermissionMissing,
            Self::NicknameNotGranted { .. } => Code::NicknameNotGranted,
            Self::NicknameRequired { .. } => Code::NicknameRequired,
            Self::ConfinedCredentialRequired { .. } => Code::ConfinedCredentialRequired,
            Self::NotYoursOrUnknown => Code::NotYoursOrUnknown,
            Self::LimitPerSecond { .. } => Code::LimitPerSecond,
            Self::LimitPerDay { .. } => Code::LimitPerDay,
            Self::UpstreamUnreachable => Code::UpstreamUnreachable,
            Self::UpstreamTimeout => Code::UpstreamTimeout,
            Self::AnswerUnreadable => Code::AnswerUnreadable,
            Self::AnswerTooLarge => Code::AnswerTooLarge,
            Self::LookUpFailed => Code::LookUpFailed,
            Self::CredentialRefused => Code::CredentialRefused,
            Self::CredentialEchoed { .. } => Code::CredentialEchoed,
            Self::OutcomeUnknown => Code::OutcomeUnknown,
            Self::ExecutedAnswerWithheld => Code::ExecutedAnswerWithheld,
            Self::Overloaded | Self::Overtaken => Code::Overloaded,
        }
    }

    /// The refusal that follows from a denial, with names in place of numbers.
    #[must_use]
    pub fn from_denial(denial: &Denial, policy: &Policy, needed: PermissionSet, nicknames: Vec<String>) -> Self {
        let named = |set| policy.nicknames.names(set).into_iter().map(str::to_owned).collect();
        match denial {
            Denial::EndpointBlocked => Self::EndpointBlocked,
            &Denial::PermissionMissing { needed, missing } => Self::PermissionMissing { needed, missing },
            Denial::NicknameNotGranted => Self::NicknameNotGranted { needed },
            Denial::NicknameRequired(set) => Self::NicknameRequired { nicknames: named(set) },
            &Denial::ConfinedCredentialRequired(why) => Self::ConfinedCredentialRequired { why, needed, nicknames },
            Denial::ChangesSwitchedOff => Self::ChangesSwitchedOff,
        }
    }

    /// Why a message counts as malformed, in one word, for the log.
    #[must_use]
    pub const fn malformed(&self) -> Option<&'static str> {
        match self {
            Self::Malformed(malformed) => Some(malformed.as_str()),
            _ => None,
        }
    }

    /// Which cap is reached, and whose it is: a nickname's, or the key's.
    #[must_use]
    pub fn cap(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::CapReached { cap, nickname, .. } => Some((cap.kind.as_str(), nickname.as_deref().unwrap_or("key"))),
            _ => None,
        }
    }

    /// Whether operators should look at it at once: nothing that callers do leads here.
    #[must_use]
    pub const fn is_alarming(&self) -> bool {
        matches!(
            self,
            // An app still has ClickBank's own key.
            Self::KeyRefused(KeyFault::ClickBankKey)
                // More is changed than anybody meant to be.
                | Self::CapReached { .. }
                | Self::CredentialRefused
                | Self::CredentialEchoed { .. }
                | Self::UpstreamUnreachable
                | Self::OutcomeUnknown
                | Self::ExecutedAnswerWithheld
        )
    }

    /// What is wrong and how to mend it, for the caller's developer.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Malformed(malformed) => malformed.detail(),
            Self::TargetTooLong => {
                format!("The path and query are longer than {MAX_TARGET_LENGTH} characters, ClickBank's bound. Ask for less at once.")
            }
            Self::HeadTooLarge => {
                "The request's head is larger than 16 KiB or has more than 64 header fields. Send fewer; of all headers only \
                 Accept and Page reach ClickBank."
                    .to_owned()
            }
            Self::BodyNotAllowed => {
                "ClickBank reads no request bodies: all parameters go into the query string, also for POST and PUT.".to_owned()
            }
            Self::KeyRefused(_) => {
                "Send exactly one Authorization header with an active key of this gateway (it begins with cbgw_), bare, after \
                 `Bearer `, or after a colon. ClickBank's own API-… keys do not work here."
                    .to_owned()
            }
            Self::UnknownEndpoint => {
                "There is no such endpoint. Paths begin with /rest/1.3/, are case-sensitive, and stand in the output of \
                 `clickbank-gateway endpoints`."
                    .to_owned()
            }
            Self::MethodNotAllowed(methods) => {
                format!("This path works with {} only.", list(methods.iter().map(|method| method.as_str())))
            }
            Self::UnknownParameter { name, meant } => unknown_parameter(name.as_deref(), meant.as_deref()),
            Self::UnsaidParameter { name, values } => unsaid_parameter(name, values),
            Self::CapReached { cap, nickname, retry_after } => cap_reached(*cap, nickname.as_deref(), *retry_after),
            Self::RefundAmountUnknown => REFUND_AMOUNT_UNKNOWN.to_owned(),
            Self::NotAcceptable(answers) => {
                format!("This endpoint answers with {}; say so in Accept, or leave Accept out.", list(media_types(*answers)))
            }
            Self::EndpointBlocked => {
                "This endpoint would reveal the ClickBank key, so no key of this gateway can be granted it.".to_owned()
            }
            Self::PermissionMissing { needed, missing } => permission_missing(*needed, *missing),
            Self::NicknameNotGranted { needed } => format!(
                "The nickname that this request names is not granted to this key for {}. Name one that is, or have it granted.",
                names_of(*needed)
            ),
            Self::NicknameRequired { nicknames } => format!(
                "Say which nickname is meant: send `Gateway-Nickname: NAME`, or put `/@NAME` before /rest/1.3. NAME can be {}.",
                either(nicknames.iter().map(String::as_str))
            ),
            Self::ConfinedCredentialRequired { why, needed, nicknames } => confined(*why, *needed, nicknames),
            Self::NotYoursOrUnknown => {
                "There is no such order or ticket among those of this key's nicknames, or it cannot be told whose it is. If it \
                 is one of them, the operator can declare a ClickBank key that is confined to your nicknames."
                    .to_owned()
            }
            Self::LimitPerSecond { .. } => {
                "ClickBank accepts few requests a second, all callers together, and this one's turn would come too late. Slow \
                 down, and try again after the time in Retry-After."
                    .to_owned()
            }
            Self::LimitPerDay { .. } => {
                "The requests that ClickBank accepts in 24 hours are spent. Try again after the time in Retry-After.".to_owned()
            }
            Self::UpstreamUnreachable => {
                "No verified connection to ClickBank could be made. Nothing was sent, so it is safe to try again.".to_owned()
            }
            Self::UpstreamTimeout => "ClickBank did not answer in time. Nothing was changed; try again.".to_owned(),
            Self::AnswerUnreadable => {
                "ClickBank's answer broke off, or was not of a kind that can be released. Nothing was changed; try again.".to_owned()
            }
            Self::AnswerTooLarge => {
                "ClickBank's answer is larger than this gateway's max_answer. Ask for less at once, such as a shorter range of \
                 dates."
                    .to_owned()
            }
            Self::LookUpFailed => {
                "ClickBank failed when the gateway asked it something that has to be known before this call. Nothing was sent or \
                 changed; try again."
                    .to_owned()
            }
            Self::CredentialRefused => {
                "ClickBank does not accept the credential that acts for this call. The gateway's operator has to see to it."
                    .to_owned()
            }
            Self::CredentialEchoed { of_change: false } => {
                "ClickBank's answer repeats the credential that acts for this call, so it is not released. Nothing was changed. The \
                 gateway's operator has to see to it."
                    .to_owned()
            }
            Self::CredentialEchoed { of_change: true } => {
                "ClickBank refused the change, in an answer that repeats the credential that acts for this call, so it is not \
                 released. The gateway's operator has to see to it."
                    .to_owned()
            }
            Self::IdempotencyInFlight
            | Self::IdempotencyMismatch
            | Self::IdempotencyNotOffered
            | Self::ChangeNotExecuted
            | Self::ChangesSwitchedOff
            | Self::OutcomeUnknown
            | Self::ExecutedAnswerWithheld => self.of_a_change().to_owned(),
            Self::Overloaded | Self::Overtaken => "Too much is going on at once. Nothing was changed; try again in a moment.".to_owned(),
        }
    }
}

impl Rejection {
    /// The same of what only a change meets.
    const fn of_a_change(&self) -> &'static str {
        match self {
            Self::IdempotencyInFlight => {
                "Another request with this Idempotency-Key is under way. Ask again in a moment, with the same key, to get its answer."
            }
            Self::IdempotencyMismatch => {
                "This Idempotency-Key came with another request before. Nothing was sent; use a key of its own for each change."
            }
            Self::IdempotencyNotOffered => {
                "The gateway has nowhere to keep what becomes of a change, so it cannot honour an Idempotency-Key. Nothing was sent. The operator sets `state`; or leave the header out."
            }
            Self::ChangeNotExecuted => {
                "The change was sent before and its outcome was not known. ClickBank shows that it was not made. Send it again, with the same Idempotency-Key, to make it."
            }
            Self::ChangesSwitchedOff => {
                "The operator has switched all changes off. Nothing was changed; reads go on as ever."
            }
            Self::OutcomeUnknown => {
                "The change was sent, but no usable answer came, so it may have been made or not. Do not repeat it before a read shows \
                 that it was not made."
            }
            Self::ExecutedAnswerWithheld => {
                "ClickBank made the change, but its answer cannot be released. Do not repeat it; a read shows the outcome."
            }
            _ => "",
        }
    }
}

impl Malformed {
    /// In one word, for the log.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Version => "version",
            Self::LineEnd => "line-end",
            Self::RequestLine => "request-line",
            Self::Field => "field",
            Self::ContentLength => "content-length",
            Self::TransferEncoding => "transfer-encoding",
            Self::Upgrade => "upgrade",
            Self::HeaderAlias => "header-alias",
            Self::Header(_) => "header",
            Self::Body => "body",
            Self::Target(_) => "target",
            Self::RepeatedParameter(_) => "repeated-parameter",
            Self::MissingParameter(_) => "missing-parameter",
            Self::Value { .. } => "value",
            Self::TwoNicknames => "two-nicknames",
        }
    }

    fn detail(&self) -> String {
        let text = match self {
            Self::Host => "Send exactly one Host header with a host name and, if need be, a port.",
            Self::Version => "Speak HTTP/1.1.",
            Self::LineEnd => {
                "End each line of the head with carriage return and line feed, and have neither elsewhere."
            }
            Self::RequestLine => "Begin the request with a method, a path and HTTP/1.1, one space between them.",
            Self::Field => {
                "Send each header as `Name: value`, on one line, without a space before the colon, and with ASCII characters \
                 alone."
            }
            Self::ContentLength => {
                "Send at most one Content-Length, a plain number, and none beside Transfer-Encoding. ClickBank reads no bodies, so \
                 0 is the only length that passes."
            }
            Self::TransferEncoding => {
                "Send no Transfer-Encoding but a single `chunked` (and no Content-Length with it). ClickBank reads no bodies, so \
                 none is needed."
            }
            Self::Upgrade => "Send no Upgrade header: there is nothing to upgrade to.",
            Self::HeaderAlias => {
                "A header's name has `_` or `.` in place of `-`, so that it could be taken for one that decides about the request. \
                 Spell it with `-`, or leave it out."
            }
            Self::Header(name) => return format!("Send at most one {name} header, with a value that it can have."),
            Self::Body => "The request's body did not end as announced. Send none.",
            Self::Target(error) => return format!("Mend the target: {error}."),
            Self::RepeatedParameter(name) => {
                return format!("The parameter `{name}` may stand only once. Leave the others out.");
            }
            Self::MissingParameter(name) => {
                return format!("The parameter `{name}` has to be there, with one of your nicknames as its value.");
            }
            Self::Value { name, expected } => {
                return match expected {
                    Expected::Nickname => {
                        format!(
                            "The parameter `{name}` has to be exactly one nickname: letters and digits, no wildcard."
                        )
                    }
                    Expected::OneOf(values) => {
                        format!(
                            "The parameter `{name}` has to be {}, in exactly that spelling.",
                            either(values.iter().map(String::as_str))
                        )
                    }
                    Expected::NoKey => {
                        format!(
                            "The parameter `{name}` holds a key of this gateway. Keys go into the Authorization header alone."
                        )
                    }
                    Expected::Text => format!("The parameter `{name}` must not have control characters."),
                };
            }
            Self::TwoNicknames => {
                "Gateway-Nickname and the /@NAME of the path name different nicknames. Send one of them."
            }
        };
        text.to_owned()
    }
}

impl From<CallError> for Rejection {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Target(TargetError::TooLong) => Self::TargetTooLong,
            CallError::Target(error) => Self::Malformed(Malformed::Target(error)),
            CallError::UnknownEndpoint => Self::UnknownEndpoint,
            CallError::Method(methods) => Self::MethodNotAllowed(methods),
            CallError::Credential => Self::EndpointBlocked,
            CallError::UnknownParameter { name, meant } => Self::UnknownParameter { name, meant },
            CallError::RepeatedParameter(name) => Self::Malformed(Malformed::RepeatedParameter(name)),
            CallError::UnsaidParameter { name, values } => Self::UnsaidParameter { name, values },
            CallError::MissingParameter(name) => Self::Malformed(Malformed::MissingParameter(name)),
            CallError::Value { name, expected } => Self::Malformed(Malformed::Value { name, expected }),
        }
    }
}

/// The media types behind an endpoint's answer types.
pub(crate) fn media_types(answers: AnswerTypes) -> impl Iterator<Item = &'static str> {
    let types = [(answers.json, "application/json"), (answers.xml, "application/xml"), (answers.text, "text/plain")];
    types.into_iter().filter(|(produced, _)| *produced).map(|(_, name)| name)
}

fn unknown_parameter(name: Option<&str>, meant: Option<&str>) -> String {
    let what = match name {
        Some(name) => format!("This endpoint has no parameter `{name}`."),
        None => "This endpoint has no parameter of one of the names sent.".to_owned(),
    };
    let mend = match meant {
        Some(meant) => format!("Did you mean `{meant}`?"),
        None => "Leave it out; `clickbank-gateway endpoints` lists those there are, and an operator can add some."
            .to_owned(),
    };
    format!("{what} {mend}")
}

const REFUND_AMOUNT_UNKNOWN: &str = "A cap bounds how much money may be refunded in an hour, and ClickBank does not tell how much this would be, so it was \
     not sent. Refund with POST /rest/1.3/tickets/{receipt}?type=rfnd, of which it does, and change a product with \
     applyProratedRefund=false; or have the operator lift the cap refunded_usd_per_hour.";

fn unsaid_parameter(name: &str, values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("`{name}={value}`")).collect();
    let said = if values.is_empty() { format!("`{name}`") } else { either(values.iter().map(String::as_str)) };
    format!("ClickBank moves money or not by what `{name}` says, also where it is left out. Say {said}.")
}

fn cap_reached(cap: Cap, nickname: Option<&str>, retry_after: Option<Duration>) -> String {
    let whose = nickname.map_or_else(|| "with this key".to_owned(), |nickname| format!("on `{nickname}`"));
    let so = match (cap.limit, retry_after) {
        (0, _) => "so there can be none",
        (_, None) => "and this alone would be more",
        (_, Some(_)) => "and it would be more with this one",
    };
    let wait = if retry_after.is_some() { "Try again after the time in Retry-After, or have" } else { "Have" };
    let place = match nickname {
        Some(nickname) => format!("under [caps.{nickname}] in gateway.toml"),
        None => format!("with `clickbank-gateway key edit NAME --cap {}=…`", cap.kind),
    };
    format!("There may be {cap} {whose}, {so}. It was not sent. {wait} the operator raise {}, {place}.", cap.kind)
}

fn permission_missing(needed: PermissionSet, missing: PermissionSet) -> String {
    if missing.is_empty() {
        return format!(
            "This call needs {} on one and the same nickname; this key has them on different ones only.",
            names_of(needed)
        );
    }
    format!("This key lacks {}. Have it granted, or use a key that has it.", names_of(missing))
}

fn confined(why: Unconfined, needed: PermissionSet, nicknames: &[String]) -> String {
    let why = match why {
        Unconfined::NoCredential => "No ClickBank key of this gateway reaches all nicknames that this call is about.",
        Unconfined::OwnerNowhere => {
            "ClickBank's answer does not tell whose data it is, so only a ClickBank key confined to your nicknames may ask."
        }
        Unconfined::List => {
            "The pages and counts of this list would tell of other nicknames' rows, so only a ClickBank key confined to yours may \
             ask."
        }
        Unconfined::RoleMissing => {
            "This nickname sells and promotes. Say `role=VENDOR` for what it sold; what it promoted only a ClickBank key confined \
             to your nicknames may ask for."
        }
        Unconfined::OtherFilter => {
            "Behind a ClickBank key that reaches more than your nicknames, `vendor` or `account` has to be the nickname that the \
             request is about, without a wildcard, and `role` has to be spelled `VENDOR`, or they have to be left out."
        }
        Unconfined::Several => {
            "A ClickBank key that reaches more than your nicknames may ask this for one of them at a time only."
        }
        Unconfined::NoLookUp => {
            "Whose order it is would have to be looked up first, and no ClickBank key of this gateway sees enough for that."
        }
        Unconfined::AffiliateRole => {
            "What ClickBank shows of orders in the role of affiliate depends on all nicknames of the ClickBank key, so only one \
             that reaches exactly yours may ask."
        }
        Unconfined::ForwardedParameter => {
            "A parameter is forwarded without knowing what it does, which takes a ClickBank key confined to your nicknames."
        }
    };
    format!(
        "{why} The operator can make one in ClickBank's API Management with {} on {} and declare it as a credential.",
        names_of(needed),
        list(nicknames.iter().map(String::as_str))
    )
}

fn names_of(permissions: PermissionSet) -> String {
    list(permissions.iter().map(Permission::clickbank_name))
}

/// "a", "a and b", "a, b and c".
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    joined(names, "and")
}

/// "a", "a or b", "a, b or c".
fn either<'a>(names: impl Iterator<Item = &'a str>) -> String {
    joined(names, "or")
}

fn joined<'a>(names: impl Iterator<Item = &'a str>, last_word: &str) -> String {
    let names: Vec<&str> = names.collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        [only] => (*only).to_owned(),
        [most @ .., last] => format!("{} {last_word} {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_listed_in_order_and_differ() {
        let words: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert!(words.is_sorted_by(|one, other| one < other), "{words:?}");
    }

    #[test]
    fn lists_read_as_a_sentence_does() {
        assert_eq!(list(["a"].into_iter()), "a");
        assert_eq!(list(["a", "b", "c"].into_iter()), "a, b and c");
    }
}
