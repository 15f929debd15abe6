//! Log-ins of the console. A token is exchanged once for a session that lives on the server; the browser holds only a
//! random cookie. A session dies by log-out, by time, and at once when its token is revoked, expires or changes its role.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use pratique_core::time::{Span, Timestamp};
use pratique_staff::roles::Staff;
use pratique_staff::token_hash::TokenHash;
use pratique_staff::tokens::random_hex;
use subtle::ConstantTimeEq as _;

/// A session that nobody uses ends after this: a console left open at shift's end.
pub const IDLE: Span = Span::from_hours(2);
/// A session ends after this in any case: one long shift.
pub const LONGEST: Span = Span::from_hours(13);
/// So many sessions live at once; the longest unused one makes room.
const MOST: usize = 1_000;

/// Everybody who is logged in.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<HashMap<TokenHash, Session>>);

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who.
    pub staff: Staff,
    /// Stands in every form of this session.
    pub csrf: String,
    began: Timestamp,
    used: Timestamp,
    notice: Option<String>,
}

impl Session {
    /// Whether a form carries this session's token.
    pub fn csrf_is(&self, sent: &str) -> bool {
        self.csrf.as_bytes().ct_eq(sent.as_bytes()).into()
    }
}

impl Sessions {
    /// Begins a session and returns the cookie's value. Only its hash is kept.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn begin(&self, staff: Staff, now: Timestamp) -> anyhow::Result<String> {
        let cookie = random_hex()?;
        let session = Session { staff, csrf: random_hex()?, began: now, used: now, notice: None };
        let mut all = self.lock();
        all.retain(|_, s| s.lives(now));
        if all.len() >= MOST {
            let oldest = all.iter().min_by_key(|(_, s)| s.used).map(|(key, _)| *key);
            oldest.and_then(|key| all.remove(&key));
        }
        all.insert(TokenHash::of(&cookie), session);
        Ok(cookie)
    }

    /// The session behind a cookie, if it lives and `still` holds for its person.
    pub fn of(&self, cookie: &str, now: Timestamp, still: impl FnOnce(&Staff) -> bool) -> Option<Session> {
        let key = TokenHash::of(cookie);
        let mut all = self.lock();
        let session = all.get_mut(&key)?;
        if session.lives(now) && still(&session.staff) {
            session.used = now.max(session.used);
            return Some(session.clone());
        }
        all.remove(&key);
        None
    }

    /// Ends a session.
    pub fn end(&self, cookie: &str) {
        self.lock().remove(&TokenHash::of(cookie));
    }

    /// Leaves a message for the next page of a session.
    pub fn leave_notice(&self, cookie: &str, notice: String) {
        if let Some(session) = self.lock().get_mut(&TokenHash::of(cookie)) {
            session.notice = Some(notice);
        }
    }

    /// Takes the message.
    pub fn take_notice(&self, cookie: &str) -> Option<String> {
        self.lock().get_mut(&TokenHash::of(cookie))?.notice.take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TokenHash, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn lives(&self, now: Timestamp) -> bool {
        now.since(self.used) < IDLE && now.since(self.began) < LONGEST
    }
}

#[cfg(test)]
mod tests {
    use pratique_staff::roles::Role;

    use super::*;

    fn anna() -> Staff {
        Staff { person: "anna".parse().unwrap(), role: Role::Operator, scope: Vec::new(), token: TokenHash::of("t") }
    }

    #[test]
    fn a_session_ends_by_logout_by_disuse_by_age_and_by_its_token() {
        let sessions = Sessions::default();
        let at = |hours: i64| Timestamp::from_secs(hours * 3_600);
        let cookie = sessions.begin(anna(), at(0)).unwrap();
        assert!(sessions.of(&cookie, at(1), |_| true).is_some());
        assert!(sessions.of("another", at(1), |_| true).is_none());
        for hour in 2..13 {
            assert!(sessions.of(&cookie, at(hour), |_| true).is_some(), "{hour}");
        }
        assert!(sessions.of(&cookie, at(13), |_| true).is_none(), "age");
        let cookie = sessions.begin(anna(), at(0)).unwrap();
        assert!(sessions.of(&cookie, at(2), |_| true).is_none(), "disuse");
        let cookie = sessions.begin(anna(), at(0)).unwrap();
        assert!(sessions.of(&cookie, at(1), |_| false).is_none());
        assert!(sessions.of(&cookie, at(1), |_| true).is_none(), "a revoked session does not come back");
        let cookie = sessions.begin(anna(), at(0)).unwrap();
        sessions.end(&cookie);
        assert!(sessions.of(&cookie, at(1), |_| true).is_none());
    }

    #[test]
    fn a_full_house_drops_the_longest_unused() {
        let sessions = Sessions::default();
        let first = sessions.begin(anna(), Timestamp::from_secs(0)).unwrap();
        let rest: Vec<_> = (1..=1_000).map(|s| sessions.begin(anna(), Timestamp::from_secs(s)).unwrap()).collect();
        assert!(sessions.of(&first, Timestamp::from_secs(1_000), |_| true).is_none());
        assert!(rest.iter().all(|c| sessions.of(c, Timestamp::from_secs(1_000), |_| true).is_some()));
    }
}
