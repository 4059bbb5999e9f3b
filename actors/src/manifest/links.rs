//! Links that a package wants shown.

use schemars::JsonSchema;
use serde::Serialize;

use super::problem::ProblemCode;
use super::reader::Node;

/// A link in the admin panel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Link {
    /// What is shown.
    pub name: String,
    /// Where it leads: `http:`, `https:` or `mailto:`.
    #[schemars(regex(pattern = "^(https?://|mailto:)"))]
    pub url: String,
}

impl Link {
    pub(super) fn read(node: Node<'_>) -> Option<Self> {
        let mut fields = node.fields()?;
        let name = fields.require("name").and_then(|node| {
            let name = node.string()?;
            if name.trim().is_empty() || name.len() > 256 {
                node.error(ProblemCode::InvalidValue, "must have 1 to 256 bytes");
                return None;
            }
            Some(name.to_owned())
        });
        let url = fields.require("url").and_then(|node| {
            let url = node.string()?;
            let lower = url
                .get(..8.min(url.len()))
                .unwrap_or_default()
                .to_ascii_lowercase();
            // Anything else (`javascript:`) would run in the panel of whoever clicks on it.
            let leads_outside = ["http://", "https://", "mailto:"]
                .iter()
                .any(|scheme| lower.starts_with(scheme));
            if !leads_outside || url.len() > 2_048 || url.contains(|c: char| c.is_control() || c == ' ') {
                node.error(
                    ProblemCode::InvalidValue,
                    "must be an `http:`, `https:` or `mailto:` address of at most 2,048 bytes",
                );
                return None;
            }
            Some(url.to_owned())
        });
        Some(Self {
            name: name?,
            url: url?,
        })
    }
}
