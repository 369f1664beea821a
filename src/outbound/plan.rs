//! A rendering made ready.

use std::sync::Arc;

use super::window::plan::WindowPlan;
use crate::config::settings::RenderingSettings;
use crate::inbound::plan::FeedPlan;

/// A rendering made ready.
#[derive(Debug)]
pub struct RenderingPlan {
    /// As it was configured.
    pub settings: Arc<RenderingSettings>,
    /// Of what its files are made.
    pub source: PlanSource,
}

/// Of what the files of a rendering are made.
#[derive(Debug)]
pub enum PlanSource {
    /// Of the manifests of this feed.
    Mirror(Arc<FeedPlan>),
    /// Of events that are rolled into files.
    Window(Arc<WindowPlan>),
}

impl RenderingPlan {
    /// The feed that it mirrors, or whose kind of file it makes.
    #[must_use]
    pub fn feed(&self) -> &str {
        match &self.source {
            PlanSource::Mirror(feed) => feed.id(),
            PlanSource::Window(window) => &window.settings.feed,
        }
    }

    /// The rendering's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.settings.id
    }
}
