//! Random definitions and random edits of them, as text. Knows the language; no layout. Names come from a counter and are
//! never used twice, so that an old name is always free for `@was`.

use std::fmt::Write;

const SCALARS: &[&str] = &[
    "Int", "BigInt", "Float", "Decimal", "String", "ID", "Boolean", "URL", "Date", "DateTime", "Duration", "UUID",
    "JSON", "Kind", "Size", "[Int!]",
];

#[derive(Clone, Debug)]
struct Field {
    name: String,
    was: Option<String>,
    /// A scalar of the list above, or the name of a type, or a list of it with its directive.
    ty: Ty,
    required: bool,
    unique: bool,
    indexed: bool,
    key: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Ty {
    Plain(&'static str),
    Ref(u32),
    /// A link with requests of its own.
    One(u32),
    Links(u32),
    Nested(u32),
}

#[derive(Clone, Debug)]
struct Type {
    id: u32,
    name: String,
    was: Option<String>,
    nested: bool,
    fields: Vec<Field>,
}

#[derive(Clone, Debug)]
pub struct Model {
    types: Vec<Type>,
    kinds: Vec<String>,
    members: Vec<String>,
    next: u32,
}

/// One edit: what is done, where, and how. The numbers are taken modulo what there is.
pub type Edit = (u8, u16, u16);

/// Kinds of edits.
pub const EDITS: u8 = 18;

fn field(name: String, ty: Ty) -> Field {
    Field {
        name,
        was: None,
        ty,
        required: false,
        unique: false,
        indexed: false,
        key: false,
    }
}

impl Model {
    pub fn new() -> Model {
        let mut model = Model {
            types: Vec::new(),
            kinds: vec!["K1".to_owned(), "K2".to_owned()],
            members: vec!["m1".to_owned()],
            next: 3,
        };
        model.add_type(false);
        model.add_type(false);
        model
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn add_type(&mut self, nested: bool) -> u32 {
        let id = self.number();
        let key = Field {
            required: true,
            key: true,
            ..field(format!("k{id}"), Ty::Plain("ID"))
        };
        let own = field(format!("f{}", self.number()), Ty::Plain("String"));
        self.types.push(Type {
            id,
            name: format!("T{id}"),
            was: None,
            nested,
            fields: vec![key, own],
        });
        id
    }

    pub fn edit(&mut self, (edit, place, how): Edit) {
        if how % 3 == 0 {
            self.types.iter_mut().for_each(|ty| {
                ty.was = None;
                ty.fields.iter_mut().for_each(|field| field.was = None);
            });
        }
        let count = self.types.len();
        let at = usize::from(place) % count;
        let number = self.number();
        let fields = self.types[at].fields.len();
        let spot = usize::from(place / 7) % fields;
        let plain = SCALARS[usize::from(how) % SCALARS.len()];
        match edit % EDITS {
            0 => {
                let mut new = field(format!("f{number}"), Ty::Plain(plain));
                new.required = how % 5 == 0;
                self.types[at].fields.push(new);
            }
            1 => self.remove_field(at, spot),
            2 | 3 => {
                let old = &mut self.types[at].fields[spot];
                old.was = Some(std::mem::replace(&mut old.name, format!("f{number}")));
            }
            4 => {
                let old = &mut self.types[at].fields[spot];
                if matches!(old.ty, Ty::Plain(_)) && !old.key {
                    old.ty = Ty::Plain(plain);
                    old.unique &= !["JSON", "Size", "[Int!]"].contains(&plain);
                    old.indexed &= !["JSON", "Size", "[Int!]"].contains(&plain);
                }
            }
            // Casts are found seldom by chance.
            5 => {
                let old = &mut self.types[at].fields[spot];
                if let Ty::Plain(ty) = &mut old.ty {
                    *ty = match *ty {
                        "Int" => {
                            ["BigInt", "Float", "Decimal", "String"][usize::from(how) % if old.key { 1 } else { 4 }]
                        }
                        "BigInt" if !old.key => "Decimal",
                        "Decimal" | "URL" | "UUID" | "Date" | "Kind" | "ID" => "String",
                        "String" if old.key => "Int",
                        other => other,
                    };
                }
            }
            6 => {
                let old = &mut self.types[at].fields[spot];
                old.required = old.key || (!old.required && matches!(old.ty, Ty::Plain(_)));
            }
            7 | 8 => {
                let old = &mut self.types[at].fields[spot];
                let fits = match &old.ty {
                    Ty::Plain(ty) => !["JSON", "Size", "[Int!]"].contains(ty) && !old.key,
                    Ty::Ref(_) => true,
                    _ => false,
                };
                match edit % EDITS {
                    7 => old.unique = fits && !old.unique,
                    _ => old.indexed = fits && !old.indexed,
                }
            }
            9 if count < 5 => {
                self.add_type(false);
            }
            10 if self.types.iter().filter(|ty| !ty.nested).count() > 1 => self.remove_type(at),
            11 => {
                let old = &mut self.types[at];
                old.was = Some(std::mem::replace(&mut old.name, format!("T{number}")));
            }
            12 | 13 => {
                let to = self.types[usize::from(how) % count].id;
                let ty = if edit % EDITS == 12 { Ty::Ref(to) } else { Ty::Links(to) };
                self.types[at].fields.push(field(format!("f{number}"), ty));
            }
            14 if how % 2 == 0 && self.kinds.len() > 1 => {
                self.kinds.remove(usize::from(place) % self.kinds.len());
            }
            14 => self.kinds.push(format!("K{number}")),
            15 if count < 5 && !self.types[at].nested => {
                let child = self.add_type(true);
                self.types[at]
                    .fields
                    .push(field(format!("f{number}"), Ty::Nested(child)));
            }
            16 if how % 4 == 0 => self.types[at].fields.reverse(),
            16 => self.members.push(format!("m{number}")),
            17 => self.ask_or_select(at, how, number),
            _ => {}
        }
    }

    /// Links of a record come to have requests of their own, or the other way round.
    fn ask_or_select(&mut self, at: usize, how: u16, number: u32) {
        let fetched: Vec<u32> = self.types.iter().filter(|ty| !ty.nested).map(|ty| ty.id).collect();
        let links = self.types[at].fields.iter_mut();
        let links = links.filter(|field| matches!(field.ty, Ty::Ref(id) | Ty::One(id) if fetched.contains(&id)));
        let mut links: Vec<&mut Field> = links.collect();
        let count = links.len();
        match links.get_mut(usize::from(how) % (count + 1)) {
            Some(field) => {
                field.ty = match field.ty {
                    Ty::One(id) => Ty::Ref(id),
                    Ty::Ref(id) => Ty::One(id),
                    ref other => other.clone(),
                };
                field.unique = false;
            }
            None => {
                let to = fetched[usize::from(how) % fetched.len()];
                self.types[at].fields.push(field(format!("f{number}"), Ty::One(to)));
            }
        }
    }

    fn remove_field(&mut self, at: usize, spot: usize) {
        let old = self.types[at].fields[spot].clone();
        if old.key {
            return;
        }
        self.types[at].fields.remove(spot);
        if let Ty::Nested(child) = old.ty
            && let Some(at) = self.types.iter().position(|ty| ty.id == child)
        {
            self.remove_type(at);
        }
    }

    fn remove_type(&mut self, at: usize) {
        let gone = self.types.remove(at);
        for field in &gone.fields {
            if let Ty::Nested(child) = field.ty
                && let Some(at) = self.types.iter().position(|ty| ty.id == child)
            {
                self.remove_type(at);
            }
        }
        let leads =
            |ty: &Ty| matches!(ty, Ty::Ref(id) | Ty::One(id) | Ty::Links(id) | Ty::Nested(id) if *id == gone.id);
        self.types
            .iter_mut()
            .for_each(|ty| ty.fields.retain(|field| !leads(&field.ty)));
    }

    /// The definition's text.
    pub fn text(&self) -> String {
        let mut out = format!("enum Kind {{ {} }}\n", self.kinds.join(" "));
        let members: Vec<String> = self.members.iter().map(|name| format!("{name}: Int")).collect();
        let _ = writeln!(out, "type Size {{ {} }}", members.join(" "));
        // A value that nothing uses is a fault, and so is a type without a field beside its key.
        out.push_str("type Uses @f { id: ID! size: Size kind: Kind }\n");
        let was = |was: &Option<String>| {
            was.as_ref()
                .map_or(String::new(), |was| format!(" @was(name: \"{was}\")"))
        };
        for ty in &self.types {
            let fetch = if ty.nested { "" } else { " @f " };
            let _ = write!(out, "type {}{fetch}{} {{ ", ty.name, was(&ty.was));
            for field in &ty.fields {
                let name = |id: u32| {
                    self.types
                        .iter()
                        .find(|ty| ty.id == id)
                        .map_or("Gone", |ty| ty.name.as_str())
                };
                let shape = match &field.ty {
                    Ty::Plain(ty) => format!("{ty}{}", if field.required { "!" } else { "" }),
                    Ty::Ref(id) => name(*id).to_owned(),
                    Ty::One(id) => {
                        let key = ty
                            .fields
                            .iter()
                            .find(|field| field.key)
                            .map_or("", |key| key.name.as_str());
                        let fetch = format!("@fetch(source: \"s\", GET: \"/{{$this.{key}}}\", every: \"1h\")");
                        format!("{} {fetch}", name(*id))
                    }
                    Ty::Links(id) => format!("[{}!]! @ref", name(*id)),
                    Ty::Nested(id) => format!("[{}!]! @nested", name(*id)),
                };
                let flag = |set: bool, text: &'static str| if set { text } else { "" };
                let _ = write!(
                    out,
                    "{}: {shape}{}{}{}{} ",
                    field.name,
                    flag(field.key, " @id"),
                    flag(field.unique, " @unique"),
                    flag(field.indexed, " @index"),
                    was(&field.was)
                );
            }
            out.push_str("}\n");
        }
        out
    }
}
