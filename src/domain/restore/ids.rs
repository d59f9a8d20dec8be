//! Ids of another life: kept where they can be, never given twice.

use std::collections::HashSet;

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
