//! A check: what it does, what it is, and how the API shows it.

use std::time::Duration;

use serde_json::{Value, json};

use super::services::Service;

/// The state of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Status {
    Passing,
    Warning,
    Critical,
}

impl Status {
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "passing" => Self::Passing,
            "warning" => Self::Warning,
            "critical" => Self::Critical,
            _ => return None,
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What a check does at its interval.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Probe {
    Http(HttpProbe),
    /// `host:port` or `host:port/service`.
    Grpc(String),
    /// `host:port`.
    Tcp(String),
}

/// A request whose status is the outcome.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct HttpProbe {
    pub url: String,
    /// `GET` where none was given.
    pub method: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// How a check gets its outcome.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// It is told, and critical when it was not told for this long.
    Ttl(Duration),
    /// It is probed.
    Probe {
        probe: Probe,
        interval: Duration,
        timeout: Duration,
    },
    /// It is critical as long as it is there.
    Maintenance,
}

/// A check as the API shows it; the catalog has a copy of the agent's.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Check {
    pub id: String,
    pub name: String,
    pub notes: String,
    pub status: Status,
    pub output: String,
    /// Empty for a check of the node.
    pub service_id: String,
    pub service_name: String,
    pub service_tags: Vec<String>,
    pub kind: &'static str,
}

impl Check {
    /// As the API shows it.
    pub fn to_json(&self, node: &str, created: u64, modified: u64) -> Value {
        json!({
            "Node": node, "CheckID": self.id, "Name": self.name, "Status": self.status.as_str(),
            "Notes": self.notes, "Output": self.output, "ServiceID": self.service_id,
            "ServiceName": self.service_name, "ServiceTags": self.service_tags,
            "Type": self.kind, "Definition": {}, "CreateIndex": created, "ModifyIndex": modified,
        })
    }

    /// Makes it one of the service's.
    pub fn belong_to(&mut self, service: &Service) {
        self.service_id.clone_from(&service.id);
        self.service_name.clone_from(&service.name);
        self.service_tags.clone_from(&service.tags);
    }
}
