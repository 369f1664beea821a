//! A rendering made ready.

use std::sync::Arc;

use crate::config::settings::RenderingSettings;
use crate::inbound::plan::FeedPlan;

/// A rendering made ready.
#[derive(Debug)]
pub struct RenderingPlan {
    /// As it was configured.
    pub settings: Arc<RenderingSettings>,
    /// The feed that it mirrors.
    pub feed: Arc<FeedPlan>,
}

impl RenderingPlan {
    /// The rendering's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.settings.id
    }
}
