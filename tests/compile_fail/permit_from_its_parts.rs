//! A permit put together by somebody else than `authorize`.

use clickbank_gateway::domain::credential::CredentialId;
use clickbank_gateway::domain::decision::Safeguard;
use clickbank_gateway::domain::matrix::CallerId;
use clickbank_gateway::domain::nickname::NicknameSet;
use clickbank_gateway::stage::authorize::Permit;

fn permit(caller: CallerId, nicknames: NicknameSet, credential: Option<CredentialId>, safeguard: Safeguard) -> Permit {
    Permit { caller, nicknames, credential, safeguard }
}

fn main() {}
