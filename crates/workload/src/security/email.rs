//! E-mails: ordinary ones, advertising, phishing, and ones that bring a harmful file.

use super::values::{domain, user};
use crate::source::Source;
use crate::task::{Draft, rank};

pub(crate) const LABELS: &[&str] = &["benign", "spam", "phishing", "malware"];

pub(crate) fn draft(source: &mut Source, index: u64) -> Draft {
    let answer = rank(index, LABELS.len());
    let event = match LABELS[answer] {
        "spam" => spam(source),
        "phishing" => phishing(source),
        "malware" => malware(source),
        _ => benign(source),
    };
    Draft::labeled(LABELS, answer, event)
}

fn layout(from: &str, subject: &str, body: &str) -> String {
    format!("From: {from} | Subject: {subject} | {body}")
}

fn benign(source: &mut Source) -> (String, String) {
    let (sender, colleague) = (user(source), user(source));
    let topic = source.own(&[
        "budget",
        "release",
        "offsite",
        "hiring plan",
        "roadmap",
        "audit",
        "training",
        "newsletter",
        "inventory",
        "travel",
    ]);
    let day = source.any(&["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]);
    let subject = match source.below(4) {
        0 => format!("Re: {topic}"),
        1 => format!("Notes from {day}"),
        2 => format!("Agenda for the {topic} meeting"),
        _ => format!("Your {topic} account of expenses"),
    };
    let body = match source.below(5) {
        0 => format!("Hi {colleague}, the {topic} draft is in the shared folder. Comments by {day}, please."),
        1 => format!("Can we move the {topic} call to {day} at {}? Thanks, {sender}", source.between(9, 17)),
        2 => format!("Hi {colleague}, attached are the {topic} minutes as PDF. See you on {day}."),
        3 => format!("Lunch on {day}? I would like to talk about the {topic}. {sender}"),
        _ => format!(
            "The {topic} site will be offline on {day} from {} for an update. No action is needed.",
            source.between(18, 23)
        ),
    };
    (layout(&format!("{sender}@{}", domain(source)), &subject, &body), "a colleague writes about work".into())
}

fn spam(source: &mut Source) -> (String, String) {
    let goods = source.own(&[
        "watches",
        "pills",
        "sunglasses",
        "phones",
        "vitamins",
        "handbags",
        "cruises",
        "loans",
        "casino chips",
        "sneakers",
    ]);
    let percent = source.between(30, 95);
    let subject = match source.below(4) {
        0 => format!("{percent}% off {goods} today only"),
        1 => format!("Cheap {goods}!!! Buy now"),
        2 => "You have been selected, winner".to_owned(),
        _ => format!("Best {goods} of the year"),
    };
    let body = match source.below(4) {
        0 => format!("Order {goods} at the lowest price, free shipping, {percent}% discount. Unsubscribe below."),
        1 => format!("Limited offer! Thousands already bought our {goods}. Call now."),
        2 => format!("Earn {}00 a week from home, no skill needed. Get free {goods}.", source.between(5, 99)),
        _ => format!("Dear friend, our {goods} will change your life. Money back in {} days.", source.between(7, 90)),
    };
    (layout(&format!("deals@{}", domain(source)), &subject, &body), format!("it advertises {goods}"))
}

fn phishing(source: &mut Source) -> (String, String) {
    let brand =
        source.own(&["bank", "mailbox", "payroll", "cloud drive", "parcel service", "tax office", "help desk", "VPN"]);
    let site =
        format!("{}-{}.{}", source.any(&["secure", "verify", "login", "update"]), source.letters(4), domain(source));
    let asked = source.any(&["password", "card number", "PIN", "login"]);
    let hours = source.any(&["12", "24", "48", "72"]);
    let subject = match source.below(4) {
        0 => format!("Your {brand} account is locked"),
        1 => format!("Action required: confirm your {asked}"),
        2 => format!("Unusual sign-in to your {brand}"),
        _ => format!("Re: {brand} payment on hold"),
    };
    let body = if source.obfuscates() {
        match source.below(3) {
            0 => format!(
                "Hi, this is {} from the {brand} team. Please sign in at http://{site} so that we can finish your request.",
                user(source)
            ),
            1 => format!("The document that you asked for is ready. Open http://{site} with your {asked}."),
            _ => format!("Kindly confirm your {asked} for the {brand} by replying to this message."),
        }
    } else {
        match source.below(3) {
            0 => format!("Confirm your {asked} at http://{site} within {hours} hours or lose access."),
            1 => format!("We could not verify your {brand}. Enter your {asked} here: http://{site}"),
            _ => format!("Dear customer, your {brand} expires in {hours} hours. Restore it: http://{site}"),
        }
    };
    (layout(&format!("support@{site}"), &subject, &body), format!("it asks for the {asked} in a false name"))
}

fn malware(source: &mut Source) -> (String, String) {
    let stem = source.own(&[
        "invoice",
        "scan",
        "order",
        "resume",
        "photo",
        "statement",
        "contract",
        "ticket",
        "delivery",
        "report",
    ]);
    let extension = source.any(&["pdf.exe", "docm", "js", "iso", "zip", "lnk", "scr", "xlsm"]);
    let file = format!("{stem}_{}.{extension}", source.between(100, 999));
    let subject = match source.below(3) {
        0 => format!("{stem} {}", source.between(1000, 9999)),
        1 => format!("Re: overdue {stem}"),
        _ => format!("Your {stem} is attached"),
    };
    let body = match source.below(4) {
        0 => format!("Please open the attachment {file} and enable macros to see it."),
        1 => format!("See {file}. The archive password is {}.", source.between(1000, 9999)),
        2 => format!("Run {file} to view the document."),
        _ => format!("Urgent: check {file} and enable content before noon."),
    };
    (layout(&format!("{}@{}", user(source), domain(source)), &subject, &body), format!("{file} would run code"))
}
