//! The quick answer to whether a payload fits its schema.
//!
//! Most events fit, and of those nothing has to be told. The keywords that schemas of events mostly have are compiled
//! into checks that look at a payload where it stands ([`crate::mapping::scan`]). They are certain or say nothing: for a
//! schema with another keyword, and for a payload that they do not clearly accept, the `jsonschema` crate decides, and
//! says what is wrong.
//!
//! Keywords mean what draft 2020-12 of JSON Schema says (its core and validation specifications).

mod pattern;

use regex::Regex;
use serde_json::{Map, Value};

use crate::domain::date_time_format::DateTime;
use crate::mapping::scan::{Kind, Payload, Scanned};

/// A schema whose every keyword is known here.
#[derive(Debug)]
pub(super) struct QuickSchema {
    root: Check,
}

/// What one subschema demands.
#[derive(Debug, Default)]
struct Check {
    /// Nothing is accepted.
    never: bool,
    /// The types of which a value has to be; any where none is named.
    types: Vec<Type>,
    /// The texts of which a value has to be.
    texts: Option<Vec<String>>,
    length: Limits,
    pattern: Option<Regex>,
    is_date: bool,
    items: Option<Box<Check>>,
    count: Limits,
    /// The most and least that an integer may be.
    range: (Option<i64>, Option<i64>),
    properties: Vec<Property>,
    no_others: bool,
    /// What has to hold as well: of `allOf` and `$ref`.
    all: Vec<Check>,
    condition: Option<Box<Condition>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Limits {
    least: Option<usize>,
    most: Option<usize>,
}

#[derive(Debug)]
struct Property {
    name: String,
    required: bool,
    check: Check,
}

#[derive(Debug)]
struct Condition {
    holds: Check,
    then: Check,
    otherwise: Check,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Object,
    Array,
    Text,
    Integer,
    Number,
    Boolean,
    Null,
}

/// Whether something is accepted; `None` where that is not certain.
type Answer = Option<bool>;

/// As many properties of one object are kept count of.
const MOST_PROPERTIES: usize = u64::BITS as usize;

/// Longer integers may not fit 64 bits.
const MOST_DIGITS: usize = 18;

impl QuickSchema {
    /// `None` where a keyword is not known here.
    pub(super) fn compile(schema: &Value) -> Option<Self> {
        let draft = schema.get("$schema").and_then(Value::as_str);
        if draft.is_some_and(|draft| draft.trim_end_matches('#') != "https://json-schema.org/draft/2020-12/schema") {
            return None;
        }
        let mut compiler = Compiler { root: schema, referred: Vec::new() };
        Some(Self { root: compiler.check(schema, true)? })
    }

    /// Whether a payload fits for certain.
    pub(super) fn accepts(&self, payload: Payload<'_>) -> bool {
        payload.scanned.and_then(|scanned| self.root.answer(scanned, 0)) == Some(true)
    }
}

struct Compiler<'s> {
    root: &'s Value,
    /// The references that lead to what is being compiled: a circle is not for us.
    referred: Vec<&'s str>,
}

impl<'s> Compiler<'s> {
    fn check(&mut self, schema: &'s Value, is_root: bool) -> Option<Check> {
        let mut check = Check::default();
        let keywords = match schema {
            Value::Bool(accepts) => {
                check.never = !accepts;
                return Some(check);
            }
            Value::Object(keywords) => keywords,
            _ => return None,
        };
        for (keyword, value) in keywords {
            match keyword.as_str() {
                "title" | "description" | "$comment" | "examples" | "default" | "deprecated" | "readOnly"
                | "writeOnly" | "$defs" => {}
                "$id" | "$schema" if is_root => {}
                "type" => check.types = types(value)?,
                "enum" => check.texts = Some(texts(value)?),
                "const" => check.texts = Some(vec![value.as_str()?.to_owned()]),
                "minLength" => check.length.least = Some(count(value)?),
                "maxLength" => check.length.most = Some(count(value)?),
                "minItems" => check.count.least = Some(count(value)?),
                "maxItems" => check.count.most = Some(count(value)?),
                "minimum" => check.range.0 = Some(value.as_i64()?),
                "maximum" => check.range.1 = Some(value.as_i64()?),
                "pattern" => check.pattern = Some(pattern::compile(value.as_str()?)?),
                "format" if value == "date" => check.is_date = true,
                "items" => check.items = Some(Box::new(self.check(value, false)?)),
                "additionalProperties" => check.no_others = !value.as_bool()?,
                "$ref" => check.all.push(self.refer(value.as_str()?)?),
                "allOf" => {
                    for part in value.as_array()? {
                        check.all.push(self.check(part, false)?);
                    }
                }
                // Read below, together.
                "properties" | "required" | "if" | "then" | "else" => {}
                _ => return None,
            }
        }
        // Where both are stated, both hold.
        if keywords.contains_key("enum") && keywords.contains_key("const") {
            return None;
        }
        self.properties(keywords, &mut check)?;
        self.condition(keywords, &mut check)?;
        Some(check)
    }

    fn refer(&mut self, reference: &'s str) -> Option<Check> {
        let root = self.root;
        let referred = root.pointer(reference.strip_prefix('#')?).filter(|_| reference.starts_with("#/"))?;
        if self.referred.contains(&reference) {
            return None;
        }
        self.referred.push(reference);
        let check = self.check(referred, false);
        self.referred.pop();
        check
    }

    fn properties(&mut self, keywords: &'s Map<String, Value>, check: &mut Check) -> Option<()> {
        if let Some(properties) = keywords.get("properties") {
            for (name, schema) in properties.as_object()? {
                let schema = self.check(schema, false)?;
                check.properties.push(Property { name: name.clone(), required: false, check: schema });
            }
        }
        if let Some(required) = keywords.get("required") {
            for name in required.as_array()? {
                let name = name.as_str()?;
                match check.properties.iter_mut().find(|property| property.name == name) {
                    Some(property) => property.required = true,
                    None if check.no_others => return None,
                    None => {
                        let any = Check::default();
                        check.properties.push(Property { name: name.to_owned(), required: true, check: any });
                    }
                }
            }
        }
        (check.properties.len() <= MOST_PROPERTIES).then_some(())
    }

    fn condition(&mut self, keywords: &'s Map<String, Value>, check: &mut Check) -> Option<()> {
        let Some(holds) = keywords.get("if") else { return Some(()) };
        let mut branch = |keyword: &str| match keywords.get(keyword) {
            Some(schema) => self.check(schema, false),
            None => Some(Check::default()),
        };
        let (then, otherwise) = (branch("then")?, branch("else")?);
        let holds = self.check(holds, false)?;
        check.condition = Some(Box::new(Condition { holds, then, otherwise }));
        Some(())
    }
}

fn types(value: &Value) -> Option<Vec<Type>> {
    let one = |value: &Value| {
        Some(match value.as_str()? {
            "object" => Type::Object,
            "array" => Type::Array,
            "string" => Type::Text,
            "integer" => Type::Integer,
            "number" => Type::Number,
            "boolean" => Type::Boolean,
            "null" => Type::Null,
            _ => return None,
        })
    };
    match value {
        Value::Array(list) => list.iter().map(one).collect(),
        value => Some(vec![one(value)?]),
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|value| value.as_str().map(str::to_owned)).collect()
}

fn count(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

impl Limits {
    fn allow(self, found: usize) -> bool {
        self.least.is_none_or(|least| found >= least) && self.most.is_none_or(|most| found <= most)
    }

    fn is_open(self) -> bool {
        self.least.is_none() && self.most.is_none()
    }
}

impl Check {
    fn answer(&self, scanned: Scanned<'_>, index: usize) -> Answer {
        if self.never {
            return Some(false);
        }
        let kind = scanned.token(index).kind;
        // What no machine counts with may be rounded by whoever decides.
        if kind == Kind::Integer && scanned.written(index).len() > MOST_DIGITS {
            return None;
        }
        let own = match kind {
            _ if !self.types.is_empty() && !self.is_of_type(kind)? => return Some(false),
            Kind::Object => self.object(scanned, index),
            Kind::Array => self.array(scanned, index),
            Kind::Text => self.text(scanned.written(index)),
            Kind::EscapedText => self.says_nothing_of_texts().then_some(true),
            Kind::Integer => self.integer(scanned.written(index)),
            Kind::Fraction => (self.range == (None, None)).then_some(self.texts.is_none()),
            Kind::True | Kind::False | Kind::Null => Some(self.texts.is_none()),
        };
        if own != Some(true) {
            return own;
        }
        for other in &self.all {
            let answer = other.answer(scanned, index);
            if answer != Some(true) {
                return answer;
            }
        }
        match &self.condition {
            None => Some(true),
            Some(condition) if condition.holds.answer(scanned, index)? => condition.then.answer(scanned, index),
            Some(condition) => condition.otherwise.answer(scanned, index),
        }
    }

    fn is_of_type(&self, kind: Kind) -> Answer {
        let among = |wanted: &[Type]| self.types.iter().any(|found| wanted.contains(found));
        Some(match kind {
            Kind::Object => among(&[Type::Object]),
            Kind::Array => among(&[Type::Array]),
            Kind::Text | Kind::EscapedText => among(&[Type::Text]),
            Kind::Integer => among(&[Type::Integer, Type::Number]),
            Kind::Fraction if among(&[Type::Number]) => true,
            // 1.0 is an integer, 1.5 is none.
            Kind::Fraction if among(&[Type::Integer]) => return None,
            Kind::Fraction => false,
            Kind::True | Kind::False => among(&[Type::Boolean]),
            Kind::Null => among(&[Type::Null]),
        })
    }

    fn object(&self, scanned: Scanned<'_>, index: usize) -> Answer {
        if self.texts.is_some() {
            return Some(false);
        }
        // Which properties were there, and which come next where they come as they are declared.
        let (mut seen, mut next) = (0_u64, 0);
        for child in scanned.children(index) {
            let name = scanned.name(child);
            let known = match self.properties.get(next) {
                Some(property) if property.name == name => Some(next),
                _ => self.properties.iter().position(|property| property.name == name),
            };
            let Some(known) = known else {
                if self.no_others {
                    return Some(false);
                }
                continue;
            };
            if seen & (1 << known) != 0 {
                // Twice: which one counts?
                return None;
            }
            seen |= 1 << known;
            next = known + 1;
            let answer = self.properties[known].check.answer(scanned, child);
            if answer != Some(true) {
                let again = scanned.children(index).filter(|other| scanned.name(*other) == name).count() > 1;
                return answer.filter(|_| !again);
            }
        }
        let missing =
            self.properties.iter().enumerate().any(|(at, property)| property.required && seen & (1 << at) == 0);
        Some(!missing)
    }

    fn array(&self, scanned: Scanned<'_>, index: usize) -> Answer {
        let is_open = self.count.is_open() || self.count.allow(scanned.children(index).count());
        if self.texts.is_some() || !is_open {
            return Some(false);
        }
        let Some(items) = &self.items else { return Some(true) };
        for child in scanned.children(index) {
            let answer = items.answer(scanned, child);
            if answer != Some(true) {
                return answer;
            }
        }
        Some(true)
    }

    fn text(&self, text: &str) -> Answer {
        if self.texts.as_ref().is_some_and(|texts| texts.iter().all(|wanted| wanted != text)) {
            return Some(false);
        }
        if !self.length.is_open() {
            let length = if text.is_ascii() { text.len() } else { text.chars().count() };
            if !self.length.allow(length) {
                return Some(false);
            }
        }
        if self.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text)) {
            return Some(false);
        }
        // What else might be a date is not for us to say.
        if self.is_date && DateTime::parse_date(text).is_none() { None } else { Some(true) }
    }

    fn says_nothing_of_texts(&self) -> bool {
        self.texts.is_none() && self.length.is_open() && self.pattern.is_none() && !self.is_date
    }

    fn integer(&self, written: &str) -> Answer {
        if self.texts.is_some() {
            return Some(false);
        }
        if self.range == (None, None) {
            return Some(true);
        }
        let number: i64 = written.parse().ok()?;
        let (least, most) = self.range;
        Some(least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most))
    }
}

#[cfg(test)]
mod tests;
