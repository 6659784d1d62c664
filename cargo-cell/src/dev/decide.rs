//! What the loop does next: a pure function of its state and an input.

/// What the loop is about.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct State {
    /// The batch in cargo's hands.
    building: Option<u64>,
    /// Changes that came during a build wait here; whether the workspace must be loaded again.
    queued: Option<bool>,
    last_batch: u64,
    stopping: Stopping,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stopping {
    #[default]
    No,
    Gracefully,
    InHaste,
}

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// The loop begins.
    Start,
    /// Files changed that matter.
    Changed {
        /// What the workspace is made of changed.
        workspace: bool,
    },
    /// A batch's build is over.
    Built {
        /// The batch.
        batch: u64,
    },
    /// Somebody asked the tool to stop: a signal or `cargo cell down`.
    Stop,
    /// All cells have stopped.
    Stopped,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start cargo.
    Build {
        /// The batch.
        batch: u64,
        /// Load the workspace again first.
        reload: bool,
    },
    /// Kill cargo.
    CancelBuild,
    /// Swap in what the batch gave.
    Swap {
        /// The batch.
        batch: u64,
    },
    /// Stop all cells, letting them finish their calls.
    StopCells,
    /// Stop all cells at once.
    Hasten,
    /// Leave the loop.
    Leave,
}

impl State {
    /// The batch in cargo's hands.
    #[must_use]
    pub fn building(&self) -> Option<u64> {
        self.building
    }

    /// The number of the last batch; 0 before the first.
    #[must_use]
    pub fn last_batch(&self) -> u64 {
        self.last_batch
    }

    /// Whether the tool is on its way out.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping != Stopping::No
    }

    /// Decides. At most one cargo process runs; changes that come while it does are never lost and make one batch.
    pub fn decide(&mut self, happened: Happened) -> Vec<Action> {
        if self.is_stopping() {
            return self.decide_stopping(&happened);
        }
        match happened {
            Happened::Start => self.build(false),
            Happened::Changed { workspace } if self.building.is_some() => {
                self.queued = Some(self.queued.unwrap_or(false) || workspace);
                Vec::new()
            }
            Happened::Changed { workspace } => self.build(workspace),
            Happened::Built { batch } if self.building == Some(batch) => {
                self.building = None;
                let mut actions = vec![Action::Swap { batch }];
                if let Some(reload) = self.queued.take() {
                    actions.extend(self.build(reload));
                }
                actions
            }
            Happened::Built { .. } | Happened::Stopped => Vec::new(),
            Happened::Stop => {
                self.stopping = Stopping::Gracefully;
                let cancel = self.building.take().map(|_| Action::CancelBuild);
                cancel.into_iter().chain([Action::StopCells]).collect()
            }
        }
    }

    fn decide_stopping(&mut self, happened: &Happened) -> Vec<Action> {
        match happened {
            Happened::Stop if self.stopping == Stopping::Gracefully => {
                self.stopping = Stopping::InHaste;
                vec![Action::Hasten]
            }
            Happened::Stopped => vec![Action::Leave],
            _ => Vec::new(),
        }
    }

    fn build(&mut self, reload: bool) -> Vec<Action> {
        self.last_batch += 1;
        self.building = Some(self.last_batch);
        vec![Action::Build {
            batch: self.last_batch,
            reload,
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(happenings: &[Happened]) -> Vec<Vec<Action>> {
        let mut state = State::default();
        happenings
            .iter()
            .map(|happened| state.decide(happened.clone()))
            .collect()
    }

    const EDIT: Happened = Happened::Changed { workspace: false };
    const MANIFEST: Happened = Happened::Changed { workspace: true };

    fn build(batch: u64, reload: bool) -> Action {
        Action::Build { batch, reload }
    }

    #[test]
    fn an_edit_builds_and_swaps() {
        let actions = run(&[
            Happened::Start,
            Happened::Built { batch: 1 },
            EDIT,
            Happened::Built { batch: 2 },
        ]);
        let expected = [
            vec![build(1, false)],
            vec![Action::Swap { batch: 1 }],
            vec![build(2, false)],
            vec![Action::Swap { batch: 2 }],
        ];
        assert_eq!(actions, expected);
    }

    #[test]
    fn edits_during_a_build_make_one_more() {
        let actions = run(&[
            Happened::Start,
            EDIT,
            MANIFEST,
            EDIT,
            Happened::Built { batch: 1 },
        ]);
        assert_eq!(actions[1..4], [vec![], vec![], vec![]]);
        assert_eq!(actions[4], vec![Action::Swap { batch: 1 }, build(2, true)]);
    }

    #[test]
    fn a_late_result_of_another_batch_is_dropped() {
        assert_eq!(
            run(&[Happened::Start, Happened::Built { batch: 7 }])[1],
            vec![]
        );
    }

    #[test]
    fn stopping_is_graceful_then_hasty_and_never_builds() {
        let actions = run(&[
            Happened::Start,
            Happened::Stop,
            EDIT,
            Happened::Built { batch: 1 },
            Happened::Stop,
            Happened::Stop,
            Happened::Stopped,
        ]);
        let expected = [
            vec![build(1, false)],
            vec![Action::CancelBuild, Action::StopCells],
            vec![],
            vec![],
            vec![Action::Hasten],
            vec![],
            vec![Action::Leave],
        ];
        assert_eq!(actions, expected);
    }
}
