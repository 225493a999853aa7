//! What waits to be put to one validator: put together as long as it has not answered what was put before.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tapeline_core::name::StreamName;
use tapeline_core::numbers::{ClientId, EventNumber};
use tapeline_core::sequencer::Objection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::spawn_blocking;

use super::{NotAsked, Question, Validator};
use crate::limits;
use crate::lock::lock;
use crate::metrics::Metrics;
use crate::trouble::Trouble;

type Answer = Result<Option<(usize, Objection)>, NotAsked>;

/// What waits to be put to one validator.
#[derive(Debug)]
pub(super) struct Line(mpsc::Sender<Waiting>);

#[derive(Debug)]
struct Waiting {
    question: Question,
    hears: oneshot::Sender<Answer>,
}

/// Puts to a validator what waits for it.
struct Asker {
    name: String,
    validator: Arc<dyn Validator>,
    metrics: Arc<Metrics>,
    /// The last question that had no answer though it was asked several times.
    unanswered: Mutex<Option<Unanswered>>,
    trouble: Trouble,
}

/// A question that had no answer. Another client's need not suffer from that: it may be why.
struct Unanswered {
    id: (StreamName, ClientId, EventNumber),
    why: NotAsked,
    /// Until when it is left alone.
    until: Instant,
    /// The one before had none either: the validator itself is left alone.
    is_everything: bool,
    /// Another one has been answered since.
    is_alone: bool,
}

impl Line {
    pub(super) fn start(name: String, validator: Arc<dyn Validator>, metrics: Arc<Metrics>) -> Self {
        let (line, waiting) = mpsc::channel(limits::QUESTIONS_WAITING);
        let asker = Asker { name, validator, metrics, unanswered: Mutex::default(), trouble: Trouble::default() };
        tokio::spawn(serve(Arc::new(asker), waiting));
        Self(line)
    }

    /// What a validator says of each. All or nothing.
    pub(super) async fn ask(&self, questions: Vec<Question>) -> Result<Vec<Option<(usize, Objection)>>, NotAsked> {
        let asked = tokio::time::timeout(limits::ASKED_WITHIN, self.ask_each(questions)).await;
        asked.unwrap_or_else(|_| Err(NotAsked::Unreachable("too much is to be asked at once".into())))
    }

    async fn ask_each(&self, questions: Vec<Question>) -> Result<Vec<Option<(usize, Objection)>>, NotAsked> {
        let (mut hearing, mut answers) = (Vec::new(), Vec::new());
        for question in questions {
            let (hears, heard) = oneshot::channel();
            self.0.send(Waiting { question, hears }).await.map_err(|_| gone())?;
            hearing.push(heard);
        }
        for heard in hearing {
            answers.push(heard.await.map_err(|_| gone())??);
        }
        Ok(answers)
    }
}

fn gone() -> NotAsked {
    NotAsked::Unreachable("asking it failed".into())
}

async fn serve(asker: Arc<Asker>, mut waiting: mpsc::Receiver<Waiting>) {
    let at_once = Arc::new(Semaphore::new(limits::ASKED_AT_ONCE));
    while let Ok(permit) = at_once.clone().acquire_owned().await {
        let mut together = Vec::new();
        if waiting.recv_many(&mut together, limits::QUESTIONS_AT_ONCE).await == 0 {
            return;
        }
        together.retain(|waiting| !waiting.hears.is_closed());
        tokio::spawn(answer(asker.clone(), together, permit));
    }
}

async fn answer(asker: Arc<Asker>, together: Vec<Waiting>, _permit: OwnedSemaphorePermit) {
    let (questions, hearing): (Vec<_>, Vec<_>) = together.into_iter().map(|it| (it.question, it.hears)).unzip();
    let answers = asker.ask(questions).await;
    // Whoever asked may have given up.
    hearing.into_iter().zip(answers).for_each(|(hears, answer)| drop(hears.send(answer)));
}

impl Asker {
    /// Asks about several together. Where that is not answered, one of them may be why: then about each by itself.
    async fn ask(&self, questions: Vec<Question>) -> Vec<Answer> {
        let mut tries = limits::VALIDATOR_TRIES;
        if questions.len() > 1 && questions.iter().all(|question| self.why_not(question).is_none()) {
            if let Ok(answers) = self.ask_several_times(questions.clone(), tries).await {
                return answers.into_iter().map(Ok).collect();
            }
            tries = 1;
        }
        let mut answers = Vec::new();
        for question in questions {
            answers.push(self.ask_alone(question, tries).await);
        }
        answers
    }

    async fn ask_alone(&self, question: Question, tries: u32) -> Answer {
        if let Some(why) = self.why_not(&question) {
            return Err(why);
        }
        let asked = self.ask_several_times(vec![question.clone()], tries).await;
        asked.map(|answers| answers.into_iter().next().flatten()).map_err(|error| self.gives_up(question, error))
    }

    /// Asks, and again where that may help, but not for long.
    async fn ask_several_times(
        &self,
        questions: Vec<Question>,
        tries: u32,
    ) -> Result<Vec<Option<(usize, Objection)>>, NotAsked> {
        let questions = Arc::new(questions);
        let mut pause = limits::VALIDATOR_PAUSE;
        for tried in 1..=tries {
            match self.ask_once(questions.clone()).await {
                Ok(answers) => {
                    self.says_well();
                    return Ok(answers);
                }
                Err(error) if tried == tries || !error.is_retryable() => return Err(error),
                Err(_) => tokio::time::sleep(spread(pause)).await,
            }
            pause *= 2;
        }
        Err(gone())
    }

    async fn ask_once(&self, questions: Arc<Vec<Question>>) -> Result<Vec<Option<(usize, Objection)>>, NotAsked> {
        let (validator, count, begun) = (self.validator.clone(), questions.len(), Instant::now());
        let answers = spawn_blocking(move || validator.validate(&questions)).await.unwrap_or_else(|_| Err(gone()))?;
        self.metrics.asked.inc_by(count as u64);
        self.metrics.asked_seconds.observe(begun.elapsed().as_secs_f64());
        match answers.len() == count {
            true => Ok(answers),
            false => Err(NotAsked::WrongAnswer(format!("{} answers to {count} questions", answers.len()))),
        }
    }

    fn says_well(&self) {
        if let Some(unanswered) = &mut *lock(&self.unanswered) {
            unanswered.is_alone = true;
        }
        if self.trouble.is_over() {
            tracing::info!(validator = self.name, "a validator answers again");
        }
    }

    /// Why it is not to be asked now.
    fn why_not(&self, question: &Question) -> Option<NotAsked> {
        let unanswered = lock(&self.unanswered);
        let unanswered = unanswered.as_ref().filter(|unanswered| Instant::now() < unanswered.until)?;
        (unanswered.is_everything || unanswered.id == id(question)).then(|| unanswered.why.clone())
    }

    fn gives_up(&self, question: Question, error: NotAsked) -> NotAsked {
        if self.trouble.is_news(&error) {
            let Question { stream, client, n, .. } = &question;
            tracing::warn!(validator = self.name, %stream, %client, %n, %error, "a validator does not answer");
        }
        self.metrics.ask_failures.inc();
        let mut unanswered = lock(&self.unanswered);
        let before = unanswered.as_ref().filter(|before| !before.is_alone);
        let is_everything = before.is_some_and(|before| before.is_everything || before.id != id(&question));
        let (id, why, until) = (id(&question), error.clone(), Instant::now() + limits::VALIDATOR_REST);
        *unanswered = Some(Unanswered { id, why, until, is_everything, is_alone: false });
        error
    }
}

fn id(question: &Question) -> (StreamName, ClientId, EventNumber) {
    (question.stream.clone(), question.client, question.n)
}

/// A pause that others who began at the same time do not end at the same time.
fn spread(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64())
}
