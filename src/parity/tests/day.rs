//! A day of bids as a file, with the place of each field; and what is changed in it.

use super::Random;

/// A record, or a comment. Its id is the same in a changed copy of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: u32,
    pub(super) fields: Vec<String>,
}

impl Row {
    pub(super) fn mark(&self) -> &str {
        &self.fields[0]
    }

    pub(super) fn is_record(&self) -> bool {
        !self.mark().starts_with('#')
    }
}

/// A whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) rows: Vec<Row>,
    pub(super) byte_order_mark: bool,
    pub(super) final_terminator: bool,
    next_id: u32,
}

pub(super) const FIELDS: [(&str, &str, &[&str]); 5] = [
    ("H", "header", &["record_type", "run_date", "system"]),
    ("B", "bid", &["record_type", "number", "vendor", "amount", "opened"]),
    ("L", "line", &["record_type", "number", "text", "price"]),
    ("N", "note", &["record_type", "text"]),
    ("T", "trailer", &["record_type", "bids", "total"]),
];

impl Day {
    /// A day with so many bids, each with up to three lines.
    pub(super) fn generated(random: &mut Random, bids: usize) -> Self {
        let mut day = Self { rows: Vec::new(), byte_order_mark: false, final_terminator: true, next_id: 0 };
        day.push(day.rows.len(), &["H", "20260131", "PWPROC"]);
        for bid in 0..bids {
            // Neither sorted by number nor by anything else.
            let number = format!("B{:05}", (bid * 7919 + 13) % 100_000);
            let vendor = ["Hartmann Bau", "", "Müller & Söhne", "\"Mill | Sons\"", " spaced "][random.below(5)];
            let (amount, day_of_month) = (random.below(1_000_000), random.below(27) + 1);
            let amount = format!("{}.{:02}", amount / 100, amount % 100);
            let opened = if random.below(3) == 0 { String::new() } else { format!("202601{day_of_month:02}") };
            day.push(day.rows.len(), &["B", &number, vendor, &amount, &opened]);
            for line in 0..random.below(4) {
                let price = format!("{}.5{}", random.below(500), line);
                day.push(day.rows.len(), &["L", &(line + 1).to_string(), &format!("work {line}"), &price]);
            }
        }
        day.push(day.rows.len(), &["T", "0", "0.00"]);
        day.sealed()
    }

    /// Puts a row in, and answers its id.
    pub(super) fn push(&mut self, at: usize, fields: &[&str]) -> u32 {
        self.next_id += 1;
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        self.rows.insert(at, Row { id: self.next_id, fields });
        self.next_id
    }

    /// With a trailer that adds up.
    pub(super) fn sealed(mut self) -> Self {
        let bids: Vec<&Row> = self.rows.iter().filter(|row| row.mark() == "B").collect();
        let cents = |text: &str| text.trim_start_matches('+').replace('.', "").parse::<u64>().unwrap();
        let total: u64 = bids.iter().map(|row| cents(&row.fields[3])).sum();
        let (count, total) = (bids.len().to_string(), format!("{}.{:02}", total / 100, total % 100));
        let trailer = self.rows.iter_mut().find(|row| row.mark() == "T").unwrap();
        (trailer.fields[1], trailer.fields[2]) = (count, total);
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = if self.byte_order_mark { "\u{FEFF}".as_bytes().to_vec() } else { Vec::new() };
        for row in &self.rows {
            bytes.extend_from_slice(row.fields.join("|").as_bytes());
            bytes.push(b'\n');
        }
        if !self.final_terminator {
            bytes.pop();
        }
        bytes
    }

    pub(super) fn position(&self, id: u32) -> Option<usize> {
        self.rows.iter().position(|row| row.id == id)
    }

    pub(super) fn row(&self, id: u32) -> &Row {
        &self.rows[self.position(id).unwrap()]
    }

    /// Where a row begins, or one of its fields; and the number of the record.
    pub(super) fn place(&self, id: u32, field: Option<usize>) -> (u64, u64) {
        let position = self.position(id).unwrap();
        let before: usize = self.rows[..position].iter().map(|row| row.fields.join("|").len() + 1).sum();
        let mark = if self.byte_order_mark { 3 } else { 0 };
        let within: usize = self.rows[position].fields[..field.unwrap_or(0)].iter().map(|field| field.len() + 1).sum();
        let number = self.rows[..=position].iter().filter(|row| row.is_record()).count();
        ((mark + before + within) as u64, number as u64)
    }

    /// Ids of all bids.
    pub(super) fn bids(&self) -> Vec<u32> {
        self.rows.iter().filter(|row| row.mark() == "B").map(|row| row.id).collect()
    }

    /// A bid's row and those of its lines.
    pub(super) fn group(&self, bid: u32) -> std::ops::Range<usize> {
        let from = self.position(bid).unwrap();
        let lines = self.rows[from + 1..].iter().take_while(|row| row.mark() == "L").count();
        from..from + 1 + lines
    }

    /// The key by which reports name a row.
    pub(super) fn key(&self, id: u32) -> Option<String> {
        let position = self.position(id).unwrap();
        let row = &self.rows[position];
        match row.mark() {
            "B" => Some(row.fields[1].clone()),
            "L" => {
                let bid = self.rows[..position].iter().rev().find(|row| row.mark() == "B").unwrap();
                Some(format!("{} / {}", bid.fields[1], row.fields[1].trim_start_matches(['+', '0'])))
            }
            _ => None,
        }
    }

    pub(super) fn describe(&self, id: u32) -> (&'static str, &'static [&'static str]) {
        let mark = self.row(id).mark();
        let (_, name, fields) = FIELDS.iter().find(|(known, _, _)| *known == mark).unwrap();
        (name, fields)
    }
}
