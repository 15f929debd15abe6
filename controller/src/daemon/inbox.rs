//! Not built yet.
use crate::clock::Clock;
use crate::office::EngineOffice;
use crate::policy_files::PolicySet;
use std::sync::Arc;
pub struct Inbox {
    office: Arc<EngineOffice>,
}
impl Inbox {
    pub fn new(_p: PolicySet, office: Arc<EngineOffice>, _c: Arc<dyn Clock>) -> Self {
        Self { office }
    }
    pub fn office(&self) -> &EngineOffice {
        &self.office
    }
    pub fn set_policies(&self, _p: PolicySet) {}
    pub async fn watch(&self, _f: std::path::PathBuf, _s: tokio::sync::watch::Receiver<bool>) {}
}
impl crate::api::intake::Readers for Inbox {
    fn report(
        &self,
        _: &crate::api::intake::Label,
        _: &mut dyn std::io::Read,
    ) -> Result<crate::engine::handle::Intake, crate::api::intake::Unreadable> {
        todo!()
    }
    fn sessions(
        &self,
        _: &crate::api::intake::Label,
        _: &mut dyn std::io::Read,
    ) -> Result<Vec<crate::engine::handle::SessionChange>, crate::api::intake::Unreadable> {
        todo!()
    }
}
