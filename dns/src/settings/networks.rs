//! What is wrong with the networks that names may or may not open.

use super::Settings;
use crate::networks::NAT64_LENGTHS;

impl Settings {
    pub(super) fn network_problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (n, net) in self.excepted_networks.iter().enumerate() {
            let shortest = if net.addr().is_ipv4() { 8 } else { 16 };
            if net.prefix_len() < shortest {
                found.push(format!(
                    "excepted_networks[{n}] is {net}, which would let names open nearly everything inwards: name the servers that \
                     are meant"
                ));
            }
        }
        for (n, net) in self.nat64_prefixes.iter().enumerate() {
            if !NAT64_LENGTHS.contains(&net.prefix_len()) {
                found.push(format!(
                    "nat64_prefixes[{n}] is {net}: a NAT64 prefix has 32, 40, 48, 56, 64 or 96 bits (RFC 6052); write it as your \
                     translator has it"
                ));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_name_servers_and_nat64_prefixes_have_a_length_of_theirs() {
        let with = |excepted: &[&str], nat64: &[&str]| Settings {
            excepted_networks: excepted.iter().map(|net| net.parse().unwrap()).collect(),
            nat64_prefixes: nat64.iter().map(|net| net.parse().unwrap()).collect(),
            ..Settings::new("p.isp.example", "192.0.2.80".parse().ok(), None)
        };
        let sound = with(&["10.0.0.0/8", "2001:db8::/32"], &["2001:db8:64::/96", "2001:db8:65::/48"]);
        assert_eq!(sound.problems(), Vec::<String>::new());
        let found = with(&["192.0.2.1/32", "0.0.0.0/0", "::/0"], &["2001:db8::/33"]).problems();
        assert!(
            found[0].starts_with("excepted_networks[1] is 0.0.0.0/0") && found[1].starts_with("excepted_networks[2]")
        );
        assert!(found[2].starts_with("nat64_prefixes[0] is 2001:db8::/33") && found.len() == 3, "{found:?}");
    }
}
