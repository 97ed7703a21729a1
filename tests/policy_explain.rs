//! The bundle as the commands and the bind check use it: where a number would go and why not, and who is let in.

#![expect(clippy::unwrap_used, reason = "a test panics at what it did not expect")]

use smppgate::pdu::{Address, CommandStatus};
use smppgate::policy::{
    Account, AllowFrom, BreakerRules, Candidate, Carrier, Country, Credentials, Decoy, DefaultAlphabet, Destinations,
    Explanation, Habits, Inbounds, Member, NoPlan, NoTransfer, Objection, OnUnknown, OverRate, Password, Plan, Policy,
    Prefixes, Rate, Retention, Route, Routes, ScreenRule, Screens, SenderPattern, Tiers, TransferBasis, Transfers,
    Validity, When, Won, Word,
};

/// argon2id of "hashed" at the least cost there is; real ones cost a thousand times that.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$BJxJ4mzZouAr/OdXAa/EQ5YnLLke6IHD9EAjzBBY/aY";

fn country(code: &str) -> Country {
    Country::parse(code).unwrap()
}

fn account(system_id: &str, credentials: Credentials, countries: Option<&[&str]>) -> Account {
    Account {
        system_id: system_id.to_owned(),
        credentials,
        allow_from: AllowFrom::any(),
        max_binds: 10,
        window: 500,
        rate: Some(Rate::per_second(5000)),
        countries: countries.map(|codes| codes.iter().map(|code| country(code)).collect()),
        transfers: Transfers::default(),
        guard: None,
        retention: Retention::default(),
        home: None,
        alphabet: DefaultAlphabet::default(),
        opt_out: None,
    }
}

fn carrier(name: &str) -> Carrier {
    Carrier {
        name: name.to_owned(),
        links: 2,
        window: 200,
        rate: Some(Rate::per_second(10_000)),
        on_unknown: OnUnknown::Fail,
        breaker: BreakerRules::default(),
        legal_entity: None,
        country: Some(country("NO")),
        transfer_basis: Some(TransferBasis::Eea),
        effective_from: None,
        habits: Habits::default(),
    }
}

fn policy() -> Policy {
    let accounts = vec![
        account("acme", Credentials::Plain(Password::new(b"secret").unwrap()), Some(&["NO", "FI"])),
        account("bodo", Credentials::Argon2(Box::new(HASH.parse().unwrap())), None),
    ];
    let nordic = Route {
        destinations: Destinations::Countries(vec![country("NO"), country("SE")]),
        when: When::default(),
        carriers: Tiers::in_order(&[1, 0]),
        rate: Some(Rate::per_second(3000)),
        over_rate: OverRate::Throttle,
    };
    let decoy = Decoy::of(accounts.iter().map(|account| &account.credentials));
    Policy {
        accounts,
        carriers: vec![carrier("backup"), carrier("fjord")],
        routes: Routes::new(vec![nordic]).unwrap(),
        prefixes: Prefixes::standard(),
        screens: Screens::default(),
        inbound: Inbounds::default(),
        retention: Retention::default(),
        validity: Validity::default(),
        decoy,
    }
}

fn from() -> Address {
    Address::new(5, 0, b"Acme").unwrap()
}

fn explain(account: u16, octets: &str) -> Explanation {
    policy().explain(account, &from(), &Address::new(1, 1, octets.as_bytes()).unwrap(), "")
}

#[test]
fn a_routed_number_shows_each_step() {
    let rate = Some(Rate::per_second(10_000));
    let plan = Plan {
        account_rate: Some(Rate::per_second(5000)),
        country: country("NO"),
        matched_digits: 2,
        won: Won { route: 0, by_account: false, by_sender: None, prefix_digits: 0, by_country: true },
        country_rate: Some(Rate::per_second(3000)),
        over_rate: OverRate::Throttle,
        carriers: vec![
            Candidate { index: 1, name: "fjord".to_owned(), rate, tier: 0, percent: 100 },
            Candidate { index: 0, name: "backup".to_owned(), rate, tier: 1, percent: 100 },
        ],
        barred: Vec::new(),
    };
    assert_eq!(explain(0, "+4791234567"), Explanation::Routed(plan));
}

#[test]
fn carriers_that_may_not_get_the_data_are_named_with_the_reason() {
    let mut policy = policy();
    policy.accounts[0].transfers = Transfers { bases: Some(vec![TransferBasis::Scc]), objections: vec![0] };
    let to = Address::new(1, 1, b"4791234567").unwrap();
    assert_eq!(policy.explain(0, &from(), &to, ""), Explanation::Refused(NoPlan::Transfer(country("NO"))));
    policy.accounts[0].transfers.bases = None;
    let Explanation::Routed(plan) = policy.explain(0, &from(), &to, "") else { panic!("fjord is left") };
    assert_eq!(plan.barred, [("backup".to_owned(), NoTransfer::Objection)]);
    assert_eq!(plan.carriers.iter().map(|candidate| candidate.index).collect::<Vec<_>>(), [1]);
}

#[test]
fn equals_are_shown_with_their_shares_among_those_permitted() {
    let mut policy = policy();
    policy.carriers.push(carrier("sund"));
    let tier = |members: &[(u16, u32)]| {
        members.iter().map(|(carrier, weight)| Member { carrier: *carrier, weight: *weight }).collect::<Vec<_>>()
    };
    let mut route = policy.routes.list()[0].clone();
    route.carriers = Tiers::new(vec![tier(&[(1, 3), (2, 1)]), tier(&[(0, 1)])]);
    policy.routes = Routes::new(vec![route]).unwrap();
    let shares = |policy: &Policy| {
        let to = Address::new(1, 1, b"4791234567").unwrap();
        let Explanation::Routed(plan) = policy.explain(0, &from(), &to, "") else { panic!("it is routed") };
        plan.carriers.into_iter().map(|own| (own.name, own.tier, own.percent)).collect::<Vec<_>>()
    };
    let [fjord, sund, backup] = ["fjord", "sund", "backup"].map(str::to_owned);
    assert_eq!(shares(&policy), [(fjord, 0, 75), (sund.clone(), 0, 25), (backup.clone(), 1, 100)]);
    policy.accounts[0].transfers.objections = vec![1];
    assert_eq!(shares(&policy), [(sund, 0, 100), (backup, 1, 100)]);
}

#[test]
fn a_refused_number_shows_the_first_step_that_fails() {
    for (account, octets, why) in [
        (0, "0791234567", NoPlan::Destination(CommandStatus::ESME_RINVDSTADR)),
        (0, "2440", NoPlan::Destination(CommandStatus::ESME_RINVDSTADR)),
        (0, "21012345678", NoPlan::Prefix),
        (0, "46701234567", NoPlan::Country(country("SE"))),
        (0, "358401234567", NoPlan::Route(country("FI"))),
        (1, "881612345678", NoPlan::Route(Country::NON_GEOGRAPHIC)),
    ] {
        assert_eq!(explain(account, octets), Explanation::Refused(why), "{octets}");
    }
    assert_eq!(explain(2, "4791234567"), Explanation::Refused(NoPlan::Account));
}

#[test]
fn a_screen_refuses_by_what_is_known_of_the_message() {
    let mut policy = policy();
    policy.screens = Screens::new(vec![
        ScreenRule { senders: vec![SenderPattern::parse("ACME*").unwrap()], ..ScreenRule::default() },
        ScreenRule { block_words: vec![Word::parse("casino").unwrap()], ..ScreenRule::default() },
    ]);
    let to = Address::new(1, 1, b"4791234567").unwrap();
    let refused = |screen, why| Explanation::Refused(NoPlan::Screen(country("NO"), screen, why));
    let other = Address::new(5, 0, b"Other").unwrap();
    assert_eq!(policy.explain(0, &other, &to, ""), refused(0, Objection::SenderNotAllowed));
    assert_eq!(policy.explain(0, &from(), &to, "my casino"), refused(1, Objection::WordBlocked));
    assert_eq!(policy.explain(0, &Address::default(), &to, "casino"), refused(1, Objection::WordBlocked));
    assert!(
        matches!(policy.explain(0, &Address::default(), &to, ""), Explanation::Routed(_)),
        "the sender is not said"
    );
}

#[test]
fn a_reserved_type_of_number_keeps_its_status() {
    let explanation = policy().explain(0, &from(), &Address::new(9, 1, b"4791234567").unwrap(), "");
    let why = NoPlan::Destination(CommandStatus::ESME_RINVDSTTON);
    assert_eq!(explanation, Explanation::Refused(why));
}

#[test]
fn explanations_hold_no_digits_of_the_number() {
    let shown = format!("{:?} {:?}", explain(0, "4798765432"), explain(0, "46798765432"));
    assert!(!shown.contains("98765"), "{shown}");
}

#[test]
fn a_name_and_its_password_open_one_account() {
    let policy = policy();
    for (system_id, password, opened) in [
        ("acme", "secret", Some(0)),
        ("bodo", "hashed", Some(1)),
        ("acme", "hashed", None),
        ("bodo", "secret", None),
        ("ACME", "secret", None),
        ("acm", "secret", None),
        ("", "", None),
        ("nobody", "secret", None),
        ("nobody", "hashed", None),
    ] {
        assert_eq!(policy.authenticate(system_id.as_bytes(), password.as_bytes()), opened, "{system_id} {password}");
    }
}

#[test]
fn a_policy_can_be_shown_without_its_secrets() {
    let shown = format!("{:?}", policy().accounts);
    assert!(shown.contains("acme") && !shown.contains("secret") && !shown.contains("argon2id"), "{shown}");
}

#[test]
fn transfer_bases_are_read_as_written() {
    for basis in TransferBasis::ALL {
        assert_eq!(basis.as_str().parse(), Ok(basis));
    }
    let refused = "EEA".parse::<TransferBasis>().unwrap_err();
    assert!(refused.to_string().contains("expected eea"), "{refused}");
}
