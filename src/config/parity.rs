//! `[feed.parity]`: what tells the records of two files apart, and what may differ between them.

use std::collections::BTreeSet;

use crate::layout::spec::LayoutSpec;
use crate::layout::{Layout, ValueType};
use crate::parity::{FieldName, Rules, RulesSpec, Tolerance};

use super::given::Given;
use super::layout::StatedLayout;
use super::mapping::{self, StatedEvent};
use super::problems::suggestion;
use super::section::Section;

/// What a feed's rules refer to.
pub(super) struct Around<'a> {
    /// The feed's layout; `None` where it could not be read, and nothing is checked against it.
    pub(super) layout: Option<&'a StatedLayout>,
    pub(super) events: &'a [StatedEvent],
}

/// The rules of a feed, with `[feed.parity]` or without; `None` where the layout or a rule could not be read.
pub(super) fn read(section: Option<Section<'_>>, around: &Around<'_>) -> Option<Rules> {
    let mut spec = of_events(around);
    let Some(section) = section else {
        return Rules::compile(&spec, around.layout?.layout.as_deref()?).ok();
    };
    let before = section.source().gathered().count();
    rules(&section, around, &mut spec);
    let is_right = section.source().gathered().count() == before;
    let compiled = around.layout.and_then(|layout| layout.layout.as_deref()).filter(|_| is_right).and_then(|layout| {
        Rules::compile(&spec, layout)
            .map_err(|message| section.source().gathered().add(&section.place(), message, None))
            .ok()
    });
    section.end();
    compiled
}

/// What the events say already: the business key of a lead record, and what follows it.
fn of_events(around: &Around<'_>) -> RulesSpec {
    let mut spec = RulesSpec::default();
    for event in around.events.iter().rev() {
        if let Some(event) = &event.spec {
            spec.keys.insert(event.record.clone(), vec![event.key.field.clone()]);
        }
        let Some(lead) = &event.lead else { continue };
        spec.leads.extend(event.members.iter().map(|(member, _)| (member.clone(), lead.clone())));
    }
    let records = around.layout.map(|layout| layout.spec.records.as_slice()).unwrap_or_default();
    for record in records {
        spec.leads.extend(record.parent.as_ref().map(|parent| (record.name.clone(), parent.clone())));
    }
    spec
}

fn rules(section: &Section<'_>, around: &Around<'_>, spec: &mut RulesSpec) {
    let layout = around.layout.map(|layout| &layout.spec);
    for (record, given) in section.section("key").map(|section| section.all()).unwrap_or_default() {
        let fields = key(&given, &record, layout);
        spec.keys.insert(record, fields);
    }
    spec.any_order = section.word("order", &[("exact", false), ("any", true)], false);
    if let Some(given) = section.find("any_order") {
        if spec.any_order {
            given.problem("has no meaning with order = \"any\": that is about all records");
        }
        spec.any_order_of = given.list().unwrap_or_default().iter().filter_map(|one| record(one, layout)).collect();
    }
    for given in section.find("ignore").and_then(|given| given.list()).unwrap_or_default() {
        match given.text() {
            Some(text) if text.contains('.') => spec.ignored_fields.extend(field(&given, &text, layout)),
            Some(_) => spec.ignored_records.extend(record(&given, layout)),
            None => {}
        }
    }
    spec.padding = fields(section, "padding", layout);
    spec.case = fields(section, "case", layout);
    spec.ignores_beside = section.word("beside_records", &[("compare", false), ("ignore", true)], false);
    tolerances(section, around, spec);
}

/// `"number"` or `["number", "year"]`: fields of one record type.
fn key(given: &Given<'_>, record: &str, layout: Option<&LayoutSpec>) -> Vec<String> {
    let found = layout.map(|layout| mapping::record_type(given, layout, record));
    let elements = given.elements();
    let texts: Vec<&Given<'_>> = match &elements {
        Some(elements) => elements.iter().collect(),
        None => vec![given],
    };
    if texts.is_empty() {
        given.problem("is empty: leave it out where records are told apart by their place");
    }
    let mut names = Vec::new();
    for (text, name) in texts.into_iter().filter_map(|text| Some((text, text.text()?))) {
        if let Some(Some(record_type)) = found {
            let known = record_type.fields.iter().map(|field| field.name.as_str());
            if !known.clone().any(|known| known == name) {
                let hint = suggestion(&name, known);
                text.problem_with_hint(format!("record type `{record}` has no field `{name}`"), hint);
            }
        }
        names.push(name);
    }
    names
}

/// The name of a record type.
fn record(given: &Given<'_>, layout: Option<&LayoutSpec>) -> Option<String> {
    let name = given.text()?;
    match layout {
        Some(layout) => mapping::record_type(given, layout, &name).map(|record| record.name.clone()),
        None => Some(name),
    }
}

fn fields(section: &Section<'_>, key: &str, layout: Option<&LayoutSpec>) -> BTreeSet<FieldName> {
    let elements = section.find(key).and_then(|given| given.list()).unwrap_or_default();
    elements.iter().filter_map(|given| field(given, &given.text()?, layout)).collect()
}

/// `record.field`.
fn field(given: &Given<'_>, text: &str, layout: Option<&LayoutSpec>) -> Option<FieldName> {
    let Some((record, name)) = text.split_once('.') else {
        given.problem_with_hint(format!("`{text}` is no field"), Some("write `record.field`".to_owned()));
        return None;
    };
    if let Some(layout) = layout {
        let record_type = mapping::record_type(given, layout, record)?;
        let known = record_type.fields.iter().map(|field| field.name.as_str());
        if !known.clone().any(|known| known == name) {
            given.problem_with_hint(format!("record type `{record}` has no field `{name}`"), suggestion(name, known));
            return None;
        }
    }
    Some((record.to_owned(), name.to_owned()))
}

/// `{ bid.amount = "0.01" }`, the names in quotes or not.
fn tolerances(section: &Section<'_>, around: &Around<'_>, spec: &mut RulesSpec) {
    let Some(stated) = section.section("tolerance") else { return };
    for (name, given) in stated.all() {
        match given.as_section() {
            Some(record) => {
                for (field, given) in record.all() {
                    tolerance(&given, &format!("{name}.{field}"), around, spec);
                }
            }
            None => tolerance(&given, &name, around, spec),
        }
    }
}

fn tolerance(given: &Given<'_>, name: &str, around: &Around<'_>, spec: &mut RulesSpec) {
    let Some(name) = field(given, name, around.layout.map(|layout| &layout.spec)) else { return };
    let Some(text) = given.text() else { return };
    let Some(layout) = around.layout.and_then(|layout| layout.layout.as_deref()) else { return };
    let Some(value_type) = value_type(layout, &name) else { return };
    match Tolerance::parse(&text, value_type) {
        Ok(tolerance) => _ = spec.tolerances.insert(name, tolerance),
        Err(message) => given.problem(message),
    }
}

fn value_type(layout: &Layout, (record, field): &FieldName) -> Option<ValueType> {
    let record = layout.record_type(record)?;
    let field = layout.field(record, field)?;
    Some(layout.record_types().get(record)?.fields.get(field)?.value_type())
}
