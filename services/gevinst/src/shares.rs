//! How many connections one address may hold open. Without a bound a single one takes every place there is, and a call
//! now and then is enough to keep them. A trusted proxy holds everybody's, so it has none.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use ipnet::IpNet;

use crate::peer;

/// Who holds how many.
pub struct Shares {
    most: usize,
    exempt: Vec<IpNet>,
    held: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's part of its address's share, until it is dropped.
pub struct Part {
    shares: Arc<Shares>,
    network: IpAddr,
}

impl Shares {
    /// Nobody holds any. `most` is for each address but these; 0 for any number.
    pub fn new(most: usize, exempt: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Self { most, exempt, held: Mutex::default() })
    }

    /// One more for this address; nothing when it has its share.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Part> {
        let network = peer::network(address);
        let is_exempt = self.most == 0 || self.exempt.iter().any(|proxy| proxy.contains(&address));
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = all.entry(network).or_default();
        if !is_exempt && *held >= self.most {
            return None;
        }
        *held += 1;
        Some(Part { shares: self.clone(), network })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut all = self.shares.held.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(&self.network) {
            Some(held) if *held > 1 => *held -= 1,
            _ => {
                all.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_used_up_refused_until_one_is_given_back() {
        let shares = Shares::new(2, vec!["10.0.0.0/8".parse().unwrap()]);
        let take = |address: &str| shares.take(address.parse().unwrap());
        let (one, _two) = (take("2001:db8::1").unwrap(), take("2001:db8::2").unwrap());
        assert!(take("2001:db8::3").is_none(), "one network, one share");
        assert!(take("192.0.2.1").is_some(), "another has its own");
        drop(one);
        assert!(take("2001:db8::3").is_some());
        let proxied: Vec<_> = (0..9).map(|_| take("10.0.0.1").unwrap()).collect();
        drop(proxied);
        assert_eq!(shares.held.lock().unwrap().len(), 1, "who holds none is forgotten");
    }
}
