//! Parameters as people write them: the one place.

use crate::pack::Settings;

impl Settings {
    /// Takes in one parameter: `currency` for all rules that have it, `M01.min_payers_day` for one.
    pub fn set(&mut self, name: &str, value: &str) {
        match name.split_once('.') {
            Some((rule, param)) => self.of_rule.insert((rule.into(), param.into()), value.into()),
            None => self.all.insert(name.into(), value.into()),
        };
    }
}
