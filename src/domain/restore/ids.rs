//! Ids of another life: kept where they can be, never given twice.

use std::collections::HashSet;

use crate::domain::time::Timestamp;

/// No id above this is taken over: JSON's numbers are exact up to here, and a counter must have room to grow.
const HIGHEST: i64 = 1 << 53;

/// The ids of one kind of entity.
#[derive(Debug, Default)]
pub(super) struct Ids {
    given: HashSet<i64>,
    highest: i64,
}

impl Ids {
    /// Ids up to `highest` were given in an earlier life.
    pub fn above(highest: i64) -> Self {
        Self { given: HashSet::new(), highest: if sound(highest) { highest } else { 0 } }
    }

    /// Somebody claims this id, so no new one may be below it.
    pub fn hear(&mut self, id: Option<i64>) {
        if let Some(id) = id.filter(|id| sound(*id)) {
            self.highest = self.highest.max(id);
        }
    }

    /// Gives the id that is claimed, to the first who claims it.
    pub fn claim(&mut self, id: Option<i64>) -> Option<i64> {
        let id = id.filter(|id| sound(*id))?;
        self.hear(Some(id));
        self.given.insert(id).then_some(id)
    }

    /// An id that nobody ever had. To be called when every claim was heard.
    pub fn fresh(&mut self) -> i64 {
        self.highest += 1;
        self.given.insert(self.highest);
        self.highest
    }

    /// The highest id that was ever given or claimed.
    pub fn highest(&self) -> i64 {
        self.highest
    }
}

fn sound(id: i64) -> bool {
    (1..=HIGHEST).contains(&id)
}

/// Ids for all drafts, in their order. Of two that claim one id, the one that was saved last keeps it.
pub(super) fn claim<T>(ids: &mut Ids, drafts: &[T], of: impl Fn(&T) -> (Option<i64>, Option<Timestamp>)) -> Vec<i64> {
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(of(&drafts[*place]).1));
    for draft in drafts {
        ids.hear(of(draft).0);
    }
    let mut given = vec![None; drafts.len()];
    for place in order {
        given[place] = ids.claim(of(&drafts[place]).0);
    }
    given.into_iter().map(|id| id.unwrap_or_else(|| ids.fresh())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_given_to_the_first_who_claims_it_and_new_ones_are_above_all_claims() {
        let mut ids = Ids::above(3);
        ids.hear(Some(9));
        assert_eq!((ids.claim(Some(2)), ids.claim(Some(2)), ids.claim(None)), (Some(2), None, None));
        assert_eq!((ids.fresh(), ids.fresh(), ids.claim(Some(9))), (10, 11, Some(9)));
        assert_eq!(ids.highest(), 11);
    }

    #[test]
    fn an_id_that_would_leave_no_room_is_no_claim() {
        let mut ids = Ids::above(i64::MAX);
        for unsound in [0, -1, i64::MIN, i64::MAX, HIGHEST + 1] {
            assert_eq!(ids.claim(Some(unsound)), None);
        }
        assert_eq!(ids.fresh(), 1);
    }
}
