//! Drafts: objects that stay on the device until they are published; and what an app hears of its writes.

mod support;

use support::{TestServer, client, converged, soon};
use tapeline_client::{LostReason, Notice, Outcome, Tapeline, Value};
use tempfile::TempDir;

#[tokio::test]
async fn a_draft_is_shown_edited_kept_through_a_restart_and_seen_by_others_once_it_is_published() {
    let (server, directory) = (TestServer::start().await, TempDir::new().unwrap());
    let path = directory.path().join("app.tapeline");
    let other = client(&server).await;
    let there = other.stream("blog").await.unwrap();
    let a = Tapeline::builder(server.address()).store(&path).open().await.unwrap();
    let here = a.stream("blog").await.unwrap();
    let posts = here.collection("posts").unwrap();
    let draft = posts.draft([("text", "Once".into())]).unwrap();
    posts.update(&draft, [("text", "Once upon a time".into())]).unwrap();
    posts.splice(&draft, "text", 16, 0, "…").unwrap();
    let (_, published) = posts.insert([("text", "A post".into())]).unwrap();
    soon(published.recorded()).await.unwrap();
    converged_but_for(&here, &there, 1).await;
    assert_eq!((posts.all().len(), here.status().replica.pending), (2, 0));
    soon(here.stored()).await.unwrap();
    a.close().await.unwrap();
    drop((a, here, posts, published));

    let a = Tapeline::builder(server.address()).store(&path).open().await.unwrap();
    let here = a.stream("blog").await.unwrap();
    let posts = here.collection("posts").unwrap();
    assert_eq!(posts.get(&draft).unwrap().get("text"), Some(&"Once upon a time…".into()));
    let receipt = posts.publish(&draft).unwrap();
    assert!(matches!(soon(receipt.recorded()).await.unwrap(), Outcome::Recorded { .. }));
    converged(&here, &there).await;
    assert_eq!(there.collection("posts").unwrap().get(&draft).unwrap().get("text"), Some(&"Once upon a time…".into()));
    assert!(posts.publish(&draft).is_err(), "it is no draft any more");
}

/// A draft that was taken away comes back as what it was.
#[tokio::test]
async fn undo_brings_a_draft_back_as_one() {
    let server = TestServer::start().await;
    let a = client(&server).await;
    let here = a.stream("blog").await.unwrap();
    let posts = here.collection("posts").unwrap();
    let draft = posts.draft([("text", "Secret".into())]).unwrap();
    let (post, _) = posts.insert([("text", "A post".into())]).unwrap();
    soon(here.synced()).await.unwrap();
    here.grouped(|| [&draft, &post].map(|id| drop(posts.delete(id).unwrap())));
    soon(here.synced()).await.unwrap();
    let deleted = here.status().replica.played;
    assert!(here.undo().unwrap().is_some());
    assert_eq!((posts.all().len(), here.status().replica.drafts), (2, 1));
    soon(here.synced()).await.unwrap();
    assert_eq!(here.status().replica.played.since(deleted), 1, "the post alone was sent");
    assert!(here.redo().unwrap().is_some());
    assert_eq!((posts.all().len(), here.can_undo()), (0, (true, false)), "it is one step");
    assert!(here.undo().unwrap().is_some());
    assert_eq!((posts.all().len(), here.status().replica.drafts), (2, 1));
    posts.publish(&draft).unwrap();
    assert!(posts.publish(&draft).is_err());
}

/// Both have played the same, and one shows so many objects more.
async fn converged_but_for(here: &tapeline_client::Stream, there: &tapeline_client::Stream, drafts: usize) {
    soon(here.synced()).await.unwrap();
    soon(async {
        while there.status().replica.played < here.status().replica.played {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let count = |stream: &tapeline_client::Stream| stream.collection("posts").unwrap().all().len();
    assert_eq!((here.digest(), count(here)), (there.digest(), count(there) + drafts));
}

#[tokio::test]
async fn an_app_hears_of_what_was_lost_and_of_what_was_written_over() {
    let server = TestServer::start().await;
    let (a, b) = (client(&server).await, client(&server).await);
    let (here, there) = (a.stream("list").await.unwrap(), b.stream("list").await.unwrap());
    let (mine, theirs) = (here.collection("tasks").unwrap(), there.collection("tasks").unwrap());
    let (id, _) = mine.insert([("title", "Milk".into())]).unwrap();
    let (gone, _) = mine.insert([("title", "Bread".into())]).unwrap();
    converged(&here, &there).await;
    let mut heard = there.notices();
    a.go_offline();
    b.go_offline();
    theirs.update(&id, [("title", "Soy milk".into())]).unwrap();
    mine.update(&id, [("title", "Oat milk".into())]).unwrap();
    mine.delete(&gone).unwrap();
    b.go_online();
    soon(there.synced()).await.unwrap();
    a.go_online();
    soon(here.synced()).await.unwrap();
    let fields = soon(async {
        loop {
            if let Notice::Overwritten { fields, .. } = heard.recv().await.unwrap() {
                break fields;
            }
        }
    })
    .await;
    assert_eq!(fields, [("title".parse().unwrap(), Value::from("Soy milk"))]);

    b.go_offline();
    let (kept, _) = theirs.insert([("title", "Jam".into())]).unwrap();
    b.go_online();
    converged(&here, &there).await;
    b.go_offline();
    let receipt = theirs.update(&kept, [("title", "Plum jam".into())]).unwrap();
    mine.delete(&kept).unwrap();
    soon(here.synced()).await.unwrap();
    b.go_online();
    let Outcome::Recorded { lost, .. } = soon(receipt.recorded()).await.unwrap() else { panic!("it is recorded") };
    let [lost] = lost.try_into().expect("one op is lost");
    assert_eq!((lost.reason, lost.op.key.id), (LostReason::Gone, kept));
}
