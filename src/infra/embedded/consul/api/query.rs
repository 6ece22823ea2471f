//! The parameters of a request.

use std::time::Duration;

use super::super::duration;

/// Consul's wait of a blocking query that does not say how long.
const DEFAULT_WAIT: Duration = Duration::from_secs(5 * 60);
/// Consul's longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 60);

/// The parameters in their order.
#[derive(Debug)]
pub(super) struct Query(pub Vec<(String, String)>);

impl Query {
    /// The first parameter of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let same = |(own, _): &&(String, String)| own == name;
        self.0.iter().find(same).map(|(_, value)| value.as_str())
    }

    /// All parameters of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let same = move |(own, value): &'a (String, String)| (own == name).then_some(&**value);
        self.0.iter().filter_map(same)
    }

    /// Whether there is a parameter of this name, with a value or not.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The tags that are asked for.
    pub fn tags(&self) -> Vec<&str> {
        self.all("tag").collect()
    }

    /// A switch as Go's `strconv.ParseBool` reads it; None in the outer place: it is none.
    pub fn switch(&self, name: &str) -> Option<Option<bool>> {
        match self.get(name) {
            None => Some(None),
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Some(Some(true)),
            Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Some(Some(false)),
            Some(_) => None,
        }
    }

    /// The index to wait on; zero: not to wait.
    pub fn index(&self) -> Result<u64, &'static str> {
        match self.get("index") {
            None | Some("") => Ok(0),
            Some(text) => text.parse().map_err(|_| "Invalid index"),
        }
    }

    /// How long to wait at most.
    pub fn wait(&self) -> Result<Duration, &'static str> {
        let wait = match self.get("wait") {
            None | Some("") => Duration::ZERO,
            Some(text) => duration::parse(text).map_err(|_| "Invalid wait time")?,
        };
        Ok(if wait.is_zero() {
            DEFAULT_WAIT
        } else {
            wait.min(LONGEST_WAIT)
        })
    }

    /// How consistent the answer is to be, as the answer says it.
    pub fn consistency(&self) -> Result<&'static str, &'static str> {
        match (self.has("stale"), self.has("consistent")) {
            (true, true) => Err("Cannot specify ?stale with ?consistent, conflicting semantics."),
            (true, false) => Ok("stale"),
            (false, true) => Ok("consistent"),
            (false, false) => Ok("leader"),
        }
    }

    /// Refuses more than one of these, in the words of Consul.
    pub fn at_most_one(&self, names: &[&str]) -> Result<(), String> {
        if names.iter().filter(|name| self.has(name)).count() < 2 {
            return Ok(());
        }
        let mut all: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        all.sort();
        Err(format!("Conflicting flags: {}", all.join("&")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Query {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Query(pairs.iter().map(owned).collect())
    }

    #[test]
    fn waits_are_bounded_and_indexes_may_be_empty() {
        let seconds = Duration::from_secs;
        assert_eq!(query(&[]).wait(), Ok(seconds(300)));
        assert_eq!(query(&[("wait", "-5s")]).wait(), Ok(seconds(300)));
        assert_eq!(query(&[("wait", "1h")]).wait(), Ok(seconds(600)));
        assert_eq!(query(&[("wait", "2s")]).wait(), Ok(seconds(2)));
        assert_eq!(query(&[("wait", "2")]).wait(), Err("Invalid wait time"));
        assert_eq!(query(&[("index", "")]).index(), Ok(0));
        assert_eq!(query(&[("index", "-1")]).index(), Err("Invalid index"));
    }

    #[test]
    fn flags_that_conflict_are_told_in_order() {
        let query = query(&[("recurse", ""), ("cas", "5")]);
        assert_eq!(query.at_most_one(&["cas", "acquire"]), Ok(()));
        assert_eq!(
            query.at_most_one(&["cas", "recurse"]),
            Err("Conflicting flags: cas=5&recurse=".to_owned())
        );
    }
}
