//! Which share of the time each stage of an inference took.

use weighbridge_engine::stage::Stage;

use super::stacks::Profile;

/// Samples of each stage that was met, in the order of an inference, and of what no engine has marked. A stage is told by the
/// frame after the thread. `None` where nothing is marked, as in profiles of other programs.
#[must_use]
pub fn stage_shares(profile: &Profile) -> Option<Vec<(Stage, u64)>> {
    let mut counts = Stage::ALL.map(|stage| (stage, 0_u64));
    for (frames, samples) in profile.stacks() {
        let stage = stage_of(&frames);
        let (_, count) = &mut counts[usize::from(stage.number())];
        *count = count.saturating_add(samples);
    }
    let [(_, unmarked), marked @ ..] = counts;
    let mut shares: Vec<(Stage, u64)> = marked.into_iter().filter(|(_, count)| *count > 0).collect();
    if shares.is_empty() {
        return None;
    }
    if unmarked > 0 {
        shares.push((Stage::Other, unmarked));
    }
    Some(shares)
}

fn stage_of(frames: &[&str]) -> Stage {
    let mark = frames.get(1).copied();
    Stage::ALL.into_iter().find(|stage| stage.name().is_some() && stage.name() == mark).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn shares_are_told_by_the_frame_after_the_thread() {
        let mut profile = Profile::new(None);
        assert_eq!(stage_shares(&profile), None);
        profile.add(["main", "run", "[decode]"], Duration::ZERO, 3);
        assert_eq!(stage_shares(&profile), None);
        profile.add(["compute-1", "[decode]", "matmul"], Duration::ZERO, 5);
        profile.add(["model", "[decode]"], Duration::ZERO, 1);
        profile.add(["model", "[load]", "map"], Duration::ZERO, 2);
        let shares = vec![(Stage::Load, 2), (Stage::Decode, 6), (Stage::Other, 3)];
        assert_eq!(stage_shares(&profile), Some(shares));
    }
}
