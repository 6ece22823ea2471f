//! Names of topics and groups.

use crate::Error;

/// The most bytes of a name: with what is put around it, it stays below the limits of all brokers.
const LONGEST: usize = 64;

/// Refuses what some broker could not use as a name.
pub(crate) fn check(name: &str) -> Result<(), Error> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match (1..=LONGEST).contains(&name.len()) && name.bytes().all(is_fine) {
        true => Ok(()),
        false => Err(Error::Name(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_every_broker_can_use() {
        let long = "a".repeat(LONGEST + 1);
        let names = ["orders", "Order_created-2", "", "a.b", "a b", "ö", &long];
        let fine: Vec<&str> = names.into_iter().filter(|it| check(it).is_ok()).collect();
        assert_eq!(fine, ["orders", "Order_created-2"]);
    }
}
