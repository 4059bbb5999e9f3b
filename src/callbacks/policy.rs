//! What follows an attempt at a callback: a pure decision.

use std::time::Duration;

use crate::store::CallbackEnd;

/// The first pause; each further one is this much longer.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const GROWTH: u32 = 4;
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);
/// A pause is between this part and that part of what it would be without jitter.
const JITTER: (f64, f64) = (0.8, 1.2);
/// "Gone": whoever is there wants no more of this.
const GONE: u16 = 410;

/// How often callbacks are sent, and how long each attempt may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manners {
    /// Most attempts.
    pub attempts: u32,
    /// Longest time of one, from resolving the name to the head of the answer.
    pub timeout: Duration,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            attempts: 8,
            timeout: Duration::from_secs(10),
        }
    }
}

impl Manners {
    /// What follows the attempt of this number. `answered` is the status, or why there is none; `chance` a random number from 0
    /// to 1.
    #[must_use]
    pub fn after(&self, attempt: u32, answered: Result<u16, String>, chance: f64) -> CallbackEnd {
        let error = match answered {
            Ok(200..=299) => return CallbackEnd::Delivered,
            Ok(GONE) => {
                return CallbackEnd::GivenUp {
                    error: "the receiver answered 410".to_owned(),
                };
            }
            Ok(status @ 300..=399) => format!("the receiver answered {status}; redirects are not followed"),
            Ok(status) => format!("the receiver answered {status}"),
            Err(error) => error,
        };
        if attempt >= self.attempts {
            return CallbackEnd::GivenUp { error };
        }
        CallbackEnd::Again {
            after: pause(attempt, chance),
            error,
        }
    }
}

fn pause(attempt: u32, chance: f64) -> Duration {
    let factor = GROWTH.checked_pow(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    let pause = FIRST_PAUSE.checked_mul(factor).unwrap_or(LONGEST_PAUSE);
    let (least, most) = JITTER;
    pause
        .min(LONGEST_PAUSE)
        .mul_f64(least + (most - least) * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_is_sent_again_with_growing_pauses_and_not_for_ever() {
        let manners = Manners::default();
        let mut pauses = Vec::new();
        for attempt in 1.. {
            match manners.after(attempt, Ok(500), 0.5) {
                CallbackEnd::Again { after, .. } => pauses.push(after.as_secs()),
                end => {
                    assert!(matches!(end, CallbackEnd::GivenUp { .. }));
                    break;
                }
            }
        }
        assert_eq!(pauses, [5, 20, 80, 320, 1_280, 5_120, 20_480]);
        assert_eq!(pause(30, 0.0).as_secs(), 17_280);
    }

    #[test]
    fn only_a_success_is_one() {
        let manners = Manners::default();
        assert_eq!(manners.after(1, Ok(204), 0.5), CallbackEnd::Delivered);
        for status in [100, 302, 404, 429, 500] {
            assert!(
                matches!(manners.after(1, Ok(status), 0.5), CallbackEnd::Again { .. }),
                "{status}"
            );
        }
        assert!(matches!(
            manners.after(1, Ok(410), 0.5),
            CallbackEnd::GivenUp { .. }
        ));
        assert!(matches!(
            manners.after(8, Err("no".into()), 0.5),
            CallbackEnd::GivenUp { .. }
        ));
    }
}
