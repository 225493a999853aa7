//! Replicas that are filled with pages rather than played to: new ones, those that were cut, and those that return.

mod support;

use support::World;
use support::author::{Author, delete, edit, make};
use support::pages::{Held, expected};
use tapeline_core::frame::{Live, Page, ServerFrame};
use tapeline_core::limits;
use tapeline_core::numbers::Seq;

const OBJECTS: u64 = 4_000;

/// Objects in two collections, each written thrice, some of them deleted.
async fn history(world: &World) -> Author {
    let mut author = Author::new(world).await;
    let text = "some words that take some room ".repeat(16);
    author.push((0..OBJECTS).map(|number| make("notes", number, &text))).await;
    author.push((0..100).map(|number| make("tasks", number, &text))).await;
    author.push((0..OBJECTS).map(|number| edit("notes", number, &format!("{text}{number}")))).await;
    author.push((0..OBJECTS).filter(|number| number % 10 == 0).map(|number| delete("notes", number))).await;
    author.is_played(world).await;
    author
}

#[tokio::test]
async fn who_is_new_gets_the_objects_and_then_events() {
    let world = World::new().await;
    let mut author = history(&world).await;
    let (mut reader, mut held) = (world.client().await, Held::default());
    reader.open_as(&mut held, 2, &[]).await;
    held.fill(&mut reader).await;
    assert_eq!(held.objects, expected(&world, |_, _| true).await);
    assert!(held.pages.len() > 3, "{} pages", held.pages.len());
    let bytes = |page: &Page| page.items.iter().map(|item| item.entry.len()).sum::<usize>();
    assert!(held.pages.iter().all(|page| bytes(page) < limits::PAGE_BYTES + 2_000));
    assert!(held.pages.iter().flat_map(|page| &page.items).is_sorted_by(|a, b| a.key < b.key));
    let last = held.pages.last().unwrap();
    let progress = last.progress.unwrap();
    assert!(progress.objects >= progress.of && progress.of == held.objects.len() as u64, "{progress:?}");
    assert_eq!(last.end.unwrap().digest, Some(support::pages::replayed(&world).await.digest()));
    let end = held.played.0;
    author.push([make("tasks", 7, "new")].into_iter()).await;
    reader.hear_range(end, end + 1).await;
}

#[tokio::test]
async fn objects_that_are_asked_for_first_come_first() {
    let world = World::new().await;
    drop(history(&world).await);
    let (mut reader, mut held) = (world.client().await, Held::default());
    reader.open_as(&mut held, 2, &["tasks"]).await;
    held.fill(&mut reader).await;
    let first: Vec<_> = held.pages.iter().flat_map(|page| &page.items).take(100).collect();
    assert!(first.iter().all(|item| item.key.collection.as_str() == "tasks"));
    assert_eq!(held.objects, expected(&world, |_, _| true).await);
}

#[tokio::test]
async fn who_is_cut_goes_on_where_it_was_though_all_has_changed() {
    let world = World::new().await;
    let mut author = history(&world).await;
    let mut held = Held::default();
    let mut got = 0;
    for cut in 0..5u64 {
        let mut reader = world.client().await;
        reader.open_as(&mut held, 2, &["tasks"]).await;
        let ServerFrame::Page(page) = reader.hear().await else { panic!("not a page") };
        got += page.items.len();
        held.take_page(page);
        drop(reader);
        author.push((0..20).map(|number| edit("notes", cut * 300 + number * 10 + 1, "changed"))).await;
        author.push((0..10).map(|number| delete("notes", cut * 200 + number * 10 + 3))).await;
        author.push([make("notes", OBJECTS + cut, "new"), make("tasks", cut, "changed, too")].into_iter()).await;
        author.is_played(&world).await;
    }
    let mut reader = world.client().await;
    reader.open_as(&mut held, 2, &["tasks"]).await;
    held.fill(&mut reader).await;
    got += held.pages.iter().skip(5).map(|page| page.items.len()).sum::<usize>();
    assert_eq!(held.objects, expected(&world, |_, _| true).await);
    assert!(got < held.objects.len() + 500, "{got} objects came for {}", held.objects.len());
}

#[tokio::test]
async fn who_returns_gets_what_has_become_of_each_object() {
    let world = World::new().await;
    let mut author = history(&world).await;
    let (mut reader, mut held) = (world.client().await, Held::default());
    reader.open_as(&mut held, 2, &[]).await;
    held.fill(&mut reader).await;
    drop(reader);
    held.pages.clear();
    for round in 0..30 {
        author.push((0..50).map(|number| edit("notes", number * 10 + 2, &format!("round {round}")))).await;
    }
    author.push((0..10).flat_map(|number| [delete("tasks", number), make("tasks", number + 200, "new")])).await;
    author.is_played(&world).await;
    let mut reader = world.client().await;
    reader.open_as(&mut held, 2, &[]).await;
    held.fill(&mut reader).await;
    assert_eq!(held.objects, expected(&world, |_, _| true).await);
    let [page] = &held.pages[..] else { panic!("{} pages", held.pages.len()) };
    assert!(page.items.len() == 60 && page.gone.len() == 10, "{} items, {} gone", page.items.len(), page.gone.len());
    assert!(page.items.iter().filter(|item| !item.whole).count() >= 50);
}

#[tokio::test]
async fn few_but_large_events_are_not_played_to_who_is_new() {
    let earlier = World::new().await;
    let mut author = Author::new(&earlier).await;
    let text = "some words that take some room ".repeat(256);
    author.push((0..20).map(|number| make("notes", number, &text))).await;
    for round in 0..15 {
        author.push((0..20).map(|number| edit("notes", number, &format!("{text}{round}")))).await;
    }
    // A server that has just taken events has them in memory, from where they are played.
    let world = World::on(earlier.log.clone()).await;
    let (mut reader, mut held) = (world.client().await, Held::default());
    reader.open_as(&mut held, 2, &[]).await;
    held.fill(&mut reader).await;
    assert_eq!(held.objects, expected(&world, |_, _| true).await);
    assert_eq!(held.pages.iter().map(|page| page.items.len()).sum::<usize>(), 20);
}

#[tokio::test]
async fn many_are_filled_at_once_and_others_are_served() {
    let world = World::new().await;
    let mut author = history(&world).await;
    let start = author.last;
    let mut watcher = world.client().await;
    watcher.open(0, "s", 99, Live::From(Seq(start))).await;
    let mut fillings = Vec::new();
    for number in 0..100 {
        let mut reader = world.client().await;
        fillings.push(tokio::spawn(async move {
            let mut held = Held::default();
            reader.open_as(&mut held, 100 + number, &[]).await;
            held.fill(&mut reader).await;
            held.objects.len()
        }));
    }
    // Each waits for the one before to be played: were fillings in its way, none of them would be played meanwhile.
    let mut while_filling = 0;
    for number in 0..50 {
        author.push([make("live", number, "x")].into_iter()).await;
        watcher.hear_range(start + number, start + number + 1).await;
        while_filling += u64::from(fillings.iter().any(|filling| !filling.is_finished()));
    }
    assert!(while_filling > 0, "no event was played meanwhile");
    for filling in fillings {
        assert!(filling.await.unwrap() >= 3_700);
    }
    let pages = world.metric("tapeline_pages_total").await;
    assert!((4..400).contains(&pages), "{pages} pages were made, and most were given to many");
}
