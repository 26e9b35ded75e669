//! ClickBank's limits: so many requests a second from one address, so many a day for one account. Both are shared by
//! all callers, so both are held here, fairly.

mod pace;
mod quota;

pub use pace::{Pace, TooLate};
pub use quota::{Quota, Spent};
