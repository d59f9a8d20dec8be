//! The promises of backups, kept by the twin in memory and by the copies of an SQLite file.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up must fail")]

mod adapters;
mod files;

use nanio_orchestrator::ports::backup::{BackupError, Means};

use adapters::Rig;

/// Copies of the states 1 to `last`.
async fn copied_up_to(rig: &Rig, last: u32) {
    for state in 1..=last {
        rig.enter(state).await;
        assert!(rig.backup.take().await.unwrap().fresh);
    }
}

async fn a_copy_holds_what_was_committed(rig: &Rig) {
    rig.enter(7).await;
    let taken = rig.backup.take().await.unwrap();
    assert!(taken.fresh && taken.bytes > 0, "{taken:?}");
    assert_eq!(rig.backup.means(), Means::Copies { path: taken.path });
    assert_eq!(rig.copies(), [7]);
}

async fn the_newest_copies_are_kept_in_order(rig: &Rig) {
    copied_up_to(rig, 2).await;
    assert_eq!(rig.copies(), [2, 1]);
    copied_up_to(rig, 5).await;
    assert_eq!(rig.copies(), [5, 4, 3]);
}

async fn a_copy_of_what_was_copied_already_takes_no_place(rig: &Rig) {
    copied_up_to(rig, 3).await;
    for _ in 0..3 {
        assert!(!rig.backup.take().await.unwrap().fresh);
    }
    assert_eq!(rig.copies(), [3, 2, 1]);
}

async fn f48_a_backup_that_fails_costs_no_copy(rig: &Rig) {
    copied_up_to(rig, 3).await;
    rig.enter(4).await;
    rig.break_it();
    for _ in 0..4 {
        let error = rig.backup.take().await.unwrap_err();
        assert!(matches!(&error, BackupError::Failed(why) if !why.is_empty()), "{error:?}");
    }
    rig.mend();
    assert_eq!(rig.copies(), [3, 2, 1]);
    assert!(rig.backup.take().await.unwrap().fresh);
    assert_eq!(rig.copies(), [4, 3, 2]);
}

async fn settling_what_is_in_order_changes_nothing(rig: &Rig) {
    rig.backup.settle().await.unwrap();
    copied_up_to(rig, 2).await;
    rig.backup.settle().await.unwrap();
    assert_eq!(rig.copies(), [2, 1]);
}

/// One test for each promise, on the adapter that is called so.
macro_rules! kept_by {
    ($adapter:ident: $($promise:ident),+ $(,)?) => {
        mod $adapter {
            $(
                #[tokio::test]
                async fn $promise() {
                    super::$promise(&super::adapters::$adapter()).await;
                }
            )+
        }
    };
    ($($adapter:ident)+) => {
        $(kept_by!($adapter:
            a_copy_holds_what_was_committed,
            the_newest_copies_are_kept_in_order,
            a_copy_of_what_was_copied_already_takes_no_place,
            f48_a_backup_that_fails_costs_no_copy,
            settling_what_is_in_order_changes_nothing,
        );)+
    };
}

kept_by!(memory sqlite);
