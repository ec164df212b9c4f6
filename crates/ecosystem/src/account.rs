//! The user and the group that an app runs as.

use nix::unistd::{Gid, Group, Uid, User};

use crate::{
    node::{Node, Value},
    values::{Read, expected, whole},
};

/// A user or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// By its number.
    Id(u32),
    /// By its name.
    Name(String),
}

/// A name, or a number that is not negative.
pub(crate) fn read(node: &Node) -> Read<Option<Account>> {
    if let Some(id) = whole(node).and_then(|number| u32::try_from(number).ok()) {
        return Ok(Some(Account::Id(id)));
    }
    match &node.value {
        Value::String(name) if name.is_empty() => Ok(None),
        Value::String(name) if !name.contains('\0') => Ok(Some(Account::Name(name.clone()))),
        _ => expected("a name such as \"www-data\", or a number", node),
    }
}

impl Account {
    /// The user of this system that is meant. The message is PM2's.
    pub(crate) fn user(&self) -> Result<User, String> {
        let (user, shown) = match self {
            Self::Id(id) => (User::from_uid(Uid::from_raw(*id)), id.to_string()),
            Self::Name(name) => (User::from_name(name), name.clone()),
        };
        user.ok().flatten().ok_or_else(|| format!("User {shown} cannot be found"))
    }

    /// The number of the group of this system that is meant. The message is PM2's.
    pub(crate) fn group(&self) -> Result<u32, String> {
        let (group, shown) = match self {
            Self::Id(id) => (Group::from_gid(Gid::from_raw(*id)), id.to_string()),
            Self::Name(name) => (Group::from_name(name), name.clone()),
        };
        let group = group.ok().flatten().ok_or_else(|| format!("Group {shown} cannot be found"))?;
        Ok(group.gid.as_raw())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_looked_up_by_name_or_number() {
        assert_eq!(Account::Name("root".to_owned()).user().unwrap().uid.as_raw(), 0);
        assert_eq!(Account::Id(0).user().unwrap().name, "root");
        assert_eq!(Account::Id(0).group(), Ok(0));
        let nobody = Account::Name("no such account".to_owned());
        assert_eq!(nobody.user().unwrap_err(), "User no such account cannot be found");
        assert_eq!(nobody.group().unwrap_err(), "Group no such account cannot be found");
        assert_eq!(Account::Id(4_000_000_000).user().unwrap_err(), "User 4000000000 cannot be found");
    }
}
