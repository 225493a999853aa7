//! The people of a recording, each at a real replica, and a sequencer in the same process. First they type at once; then
//! what each of them did is done again by itself, and timed.

use serde::Deserialize;
use tapeline_core::numbers::{ClientId, Millis, Seq};
use tapeline_core::op::Op;

use crate::bench::desk::{BEGIN, Desk, Person, events};
use crate::bench::stopwatch::Stopwatch;
use crate::failure::Failure;
use crate::replay::text::{TextRecording, Transaction, edit, insert, text_of};

/// To see what one replica takes, so many are held at most, or so many as take so many bytes; and then as many again.
const HELD: usize = 256;
const WARM: u64 = 16 << 20;

/// A recording that took longer is played once.
const SLOW_S: f64 = 20.0;

/// How a recording was played, by us or by a peer. Times are those of a processor.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Played {
    /// Seconds of the people who type: their edits, the updates made of them, and what others typed taken in.
    pub typed_s: f64,
    /// Seconds of a replica that takes the updates in one by one.
    pub second_s: f64,
    /// Seconds of the sequencer, which peers do not have.
    #[serde(default)]
    pub sequenced_s: f64,
    /// Bytes of the updates, one a transaction.
    pub update_bytes: u64,
    /// The same as our log keeps them; for a peer, compressed as our log compresses events.
    pub stored_bytes: u64,
    /// Memory of a replica that has taken all in.
    pub memory_bytes: u64,
    /// Whether the text is the recorded one.
    pub correct: bool,
}

impl Played {
    /// Whether once is enough: it took long.
    pub fn is_slow(&self) -> bool {
        self.typed_s + self.second_s > SLOW_S
    }

    /// The faster of two.
    pub fn faster(self, other: Self) -> Self {
        Self {
            typed_s: self.typed_s.min(other.typed_s),
            second_s: self.second_s.min(other.second_s),
            sequenced_s: self.sequenced_s.min(other.sequenced_s),
            ..self
        }
    }

    /// Plays a recording. Answers the desk with what was recorded, too.
    pub fn of(recording: &TextRecording) -> Result<(Self, Desk), Failure> {
        let mut typing = Typing::begin(recording)?;
        typing.run(recording)?;
        let Typing { desk, people, said, frames, .. } = typing;
        let mut typed_s = 0.0;
        for Typist { person, did, .. } in &people {
            typed_s += again(person.client(), did, &recording.end)?;
        }
        let updates = desk.log.iter().skip(1).map(|batch| batch.block.bytes().len() as u64).sum();
        let played = Self {
            typed_s,
            second_s: taken(&frames, &recording.end)?,
            sequenced_s: sequenced(&said, &recording.start)?,
            update_bytes: updates,
            stored_bytes: 0,
            memory_bytes: memory(&frames, &recording.end)?,
            correct: true,
        };
        Ok((played, desk))
    }
}

/// What a person did, or was told.
enum Step {
    Edit(Millis, Op),
    /// Made the frames there were to send.
    Speak,
    Take(Vec<u8>),
}

/// A person who types.
struct Typist {
    person: Person,
    did: Vec<Step>,
    /// How many events of the log it has played.
    played: usize,
    /// How many transactions of each person it has seen.
    seen: Vec<usize>,
}

/// People who type.
struct Typing {
    desk: Desk,
    people: Vec<Typist>,
    /// Who made each event.
    authors: Vec<Option<usize>>,
    /// The frames in which the events are played.
    frames: Vec<Vec<u8>>,
    /// What was said to the sequencer, and by whom.
    said: Vec<(ClientId, Vec<u8>)>,
}

impl Typing {
    /// Everybody has the text before the first transaction.
    fn begin(recording: &TextRecording) -> Result<Self, Failure> {
        let mut desk = Desk::new();
        let mut writer = Person::new(99, &mut desk)?;
        writer.edit(insert(&recording.start)?)?;
        writer.send(&mut desk)?;
        let typist = |number| {
            let person = Person::new(number as u64, &mut Desk::new())?;
            Ok(Typist { person, did: Vec::new(), played: 0, seen: vec![0; recording.people] })
        };
        let people = (0..recording.people).map(typist).collect::<Result<_, Failure>>()?;
        let mut typing = Self { desk, people, authors: Vec::new(), frames: Vec::new(), said: Vec::new() };
        typing.publish(None);
        (0..recording.people).try_for_each(|person| typing.play(person, &vec![0; recording.people]))?;
        Ok(typing)
    }

    /// Everybody types what comes next whenever just that has been seen which it was typed on.
    fn run(&mut self, recording: &TextRecording) -> Result<(), Failure> {
        let of = |person| recording.transactions.iter().filter(move |transaction| transaction.person == person);
        let mut mine: Vec<_> = (0..recording.people).map(|person| of(person).peekable()).collect();
        let (mut random, mut now) = (fastrand::Rng::with_seed(5), BEGIN);
        let all = vec![usize::MAX; recording.people];
        loop {
            let before = self.progress();
            for (person, mine) in mine.iter_mut().enumerate() {
                self.play(person, mine.peek().map_or(&all, |next| &next.saw))?;
                while let Some(next) = mine.next_if(|next| self.has_seen(person, &next.saw)) {
                    now = Millis(now.0 + random.u64(60..400));
                    self.type_on(person, now, next)?;
                    self.play(person, mine.peek().map_or(&all, |next| &next.saw))?;
                }
            }
            if self.progress() == before {
                break;
            }
        }
        let done = mine.iter_mut().all(|mine| mine.peek().is_none());
        let known = |typist: &Typist| typist.played == self.frames.len() && typist.person.replica.pending() == 0;
        match done && self.people.iter().all(known) {
            true => Ok(()),
            false => Err(Failure::Failed("people wait for each other".into())),
        }
    }

    /// How much was typed, recorded and played.
    fn progress(&self) -> (usize, usize) {
        let played = self.people.iter().map(|typist| typist.played).sum();
        (self.people.iter().map(|typist| typist.did.len()).sum(), played)
    }

    fn has_seen(&self, person: usize, saw: &[usize]) -> bool {
        let seen = &self.people[person].seen;
        (0..saw.len()).all(|author| author == person || seen[author] == saw[author])
    }

    fn type_on(&mut self, person: usize, now: Millis, transaction: &Transaction) -> Result<(), Failure> {
        let Typist { person: typist, did, .. } = &mut self.people[person];
        // How much was seen is said where something waits, so that it stays an event of its own.
        let seen = Some(typist.replica.played()).filter(|_| typist.replica.pending() > 0);
        let op = Op { seen, ..edit(transaction.splices().map_err(Failure::failed)?)? };
        did.push(Step::Edit(now, op.clone()));
        typist.now = now;
        typist.edit(op)?;
        self.speak(person)
    }

    /// A person sends what it has typed, and takes the answers.
    fn speak(&mut self, person: usize) -> Result<(), Failure> {
        self.people[person].did.push(Step::Speak);
        while let Some(frame) = self.people[person].person.frame() {
            let client = self.people[person].person.client();
            let answers = self.desk.take(client, &frame)?;
            self.said.push((client, frame));
            self.publish(Some(person));
            answers.into_iter().try_for_each(|answer| self.people[person].take(answer))?;
        }
        Ok(())
    }

    /// Makes a frame of each event that was recorded since.
    fn publish(&mut self, author: Option<usize>) {
        let from = Seq(self.frames.len() as u64);
        let new = self.desk.block(from);
        for seq in from.0..new.end().0 {
            self.frames.push(events(&new.slice(Seq(seq), 1)));
            self.authors.push(author);
        }
    }

    /// Lets a person play what it may see.
    fn play(&mut self, person: usize, saw: &[usize]) -> Result<(), Failure> {
        let typist = &mut self.people[person];
        let before = typist.played;
        while let Some(frame) = self.frames.get(typist.played) {
            if let Some(author) = self.authors[typist.played] {
                if author != person && typist.seen[author] >= saw[author] {
                    break;
                }
                typist.seen[author] += 1;
            }
            typist.take(frame.clone())?;
            typist.played += 1;
        }
        if typist.played > before { self.speak(person) } else { Ok(()) }
    }
}

impl Typist {
    fn take(&mut self, frame: Vec<u8>) -> Result<(), Failure> {
        self.person.take(&frame)?;
        self.did.push(Step::Take(frame));
        Ok(())
    }
}

/// What a person did, done again by itself. Answers how long it took.
fn again(client: ClientId, did: &[Step], end: &str) -> Result<f64, Failure> {
    let mut person = Person::of(client, &mut Desk::new())?;
    let ops: Vec<Option<Op>> =
        did.iter().map(|step| if let Step::Edit(_, op) = step { Some(op.clone()) } else { None }).collect();
    let watch = Stopwatch::start();
    for (step, op) in did.iter().zip(ops) {
        match step {
            Step::Edit(now, _) => {
                person.now = *now;
                op.map_or(Ok(()), |op| person.edit(op))?;
            }
            Step::Speak => while person.frame().is_some() {},
            Step::Take(frame) => person.take(frame)?,
        }
    }
    let took = watch.seconds();
    check(&person, end).map(|()| took)
}

/// A replica that takes all in one by one. Answers how long it took.
fn taken(frames: &[Vec<u8>], end: &str) -> Result<f64, Failure> {
    let mut reader = reader()?;
    let watch = Stopwatch::start();
    frames.iter().try_for_each(|frame| reader.take(frame))?;
    let took = watch.seconds();
    check(&reader, end).map(|()| took)
}

/// Somebody who has typed nothing.
fn reader() -> Result<Person, Failure> {
    Person::new(100, &mut Desk::new())
}

/// What was said to the sequencer, said to another one. Answers how long it took.
fn sequenced(said: &[(ClientId, Vec<u8>)], start: &str) -> Result<f64, Failure> {
    let mut desk = Desk::new();
    let mut writer = Person::new(99, &mut desk)?;
    writer.edit(insert(start)?)?;
    writer.send(&mut desk)?;
    let watch = Stopwatch::start();
    for (client, frame) in said {
        desk.take(*client, frame)?;
    }
    Ok(watch.seconds())
}

fn check(person: &Person, end: &str) -> Result<(), Failure> {
    match text_of(&person.replica) == end && person.replica.pending() == 0 {
        true => Ok(()),
        false => Err(Failure::Failed("the text is not the recorded one".into())),
    }
}

/// The memory of one more replica that has taken all in. As many are held first as use up what was freed before.
fn memory(frames: &[Vec<u8>], end: &str) -> Result<u64, Failure> {
    let replica = || {
        let mut reader = reader()?;
        frames.iter().try_for_each(|frame| reader.take(frame))?;
        check(&reader, end).map(|()| reader)
    };
    let (begin, mut held) = (resident(), Vec::new());
    while held.len() < HELD && resident() < begin + WARM {
        held.push(replica()?);
    }
    let (before, first) = (resident(), held.len());
    for _ in 0..first {
        held.push(replica()?);
    }
    Ok(resident().saturating_sub(before) / first as u64)
}

/// The memory of this process in bytes; 0 where the system does not tell.
fn resident() -> u64 {
    const PAGE: u64 = 4096;
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * PAGE
}
