//! Who may see what (Articles 18 to 20 of the law): people, their roles, and what a role opens.

pub mod audit;
pub mod grant;
pub mod names;
pub mod pseudonym;
pub mod tokens;
pub mod users;
