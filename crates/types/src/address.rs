//! Addresses that nothing is ever sent to, whoever names them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Servers that tell a machine of a cloud its own credentials, beyond the link-local ones.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// Whether an address is link-local or a metadata service of a cloud, in whatever form it is written. No server of models is there, and
/// a URL that leads there is a mistake or a trick (SSRF). Private addresses are none of these: local servers have them.
#[must_use]
pub fn is_off_limits(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local() || METADATA_V4.contains(&address),
        IpAddr::V6(address) => {
            address.is_unicast_link_local()
                || METADATA_V6.contains(&address)
                || within(address).is_some_and(is_off_limits)
        }
    }
}

/// The IPv4 address within one of IPv6: mapped, compatible, behind NAT64 or 6to4.
fn within(address: Ipv6Addr) -> Option<IpAddr> {
    let parts = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    let found = match parts {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => of(high, low),
        [0x2002, high, low, ..] => of(high, low),
        _ => address.to_ipv4()?,
    };
    Some(IpAddr::V4(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_and_metadata_addresses_are_known_in_every_form() {
        let check = |expected: bool, addresses: &[&str]| {
            for address in addresses {
                assert_eq!(is_off_limits(address.parse().unwrap()), expected, "{address}");
            }
        };
        check(true, &["169.254.169.254", "169.254.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192"]);
        check(true, &["fe80::1", "febf::1", "fd00:ec2::254", "fd20:ce::254"]);
        check(true, &["::ffff:169.254.169.254", "::169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"]);
        check(false, &["127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "8.8.8.8", "0.0.0.0"]);
        check(false, &["::1", "::", "fd00::1", "2001:db8::1", "::ffff:10.0.0.1", "64:ff9b::808:808"]);
    }
}
