//! Random definitions and random edits of them, as text. Knows the language; no layout. Names come
//! from a counter and are never used twice, so that an old name is always free for `@was`.

use std::fmt::Write;

const SCALARS: &[&str] = &[
    "Int",
    "BigInt",
    "Float",
    "Decimal",
    "String",
    "ID",
    "Boolean",
    "URL",
    "Date",
    "DateTime",
    "Duration",
    "UUID",
    "JSON",
    "Kind",
    "Size",
    "[Int!]",
    "[String!]",
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
    searched: bool,
    in_english: bool,
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
pub(super) struct Model {
    types: Vec<Type>,
    kinds: Vec<String>,
    members: Vec<String>,
    next: u32,
}

/// One edit: what is done, where, and how. The numbers are taken modulo what there is.
pub(super) type Edit = (u8, u16, u16);

/// Kinds of edits.
pub(super) const EDITS: u8 = 27;

/// Scalars that cannot be looked up by.
const LISTED: &[&str] = &["JSON", "Size", "[Int!]", "[String!]"];

fn is_links(field: &Field) -> bool {
    matches!(field.ty, Ty::Links(_))
}

/// Whether a field may have an index.
fn may_be_indexed(field: &Field) -> bool {
    matches!(field.ty, Ty::Plain("[Int!]" | "[String!]")) || may_be_found(field)
}

/// Whether the words of a field may be searched.
fn may_be_searched(field: &Field) -> bool {
    matches!(field.ty, Ty::Plain("String" | "[String!]"))
}

/// Whether a field may be unique.
fn may_be_found(field: &Field) -> bool {
    match &field.ty {
        Ty::Plain(ty) => !LISTED.contains(ty) && !field.key,
        Ty::Ref(_) => true,
        Ty::One(_) | Ty::Links(_) | Ty::Nested(_) => false,
    }
}

/// A type that a field's values may become, or that makes a key another one.
fn cast(field: &Field, how: u16) -> Option<&'static str> {
    let Ty::Plain(ty) = &field.ty else { return None };
    Some(match *ty {
        "Int" if field.key => "BigInt",
        "Int" => ["BigInt", "Float", "Decimal", "String"][usize::from(how) % 4],
        "BigInt" if !field.key => "Decimal",
        "ID" | "String" if field.key && how.is_multiple_of(2) => "Int",
        "Decimal" | "URL" | "UUID" | "Date" | "Kind" | "ID" => "String",
        _ => return None,
    })
}

fn field(name: String, ty: Ty) -> Field {
    Field {
        name,
        was: None,
        ty,
        required: false,
        unique: false,
        indexed: false,
        searched: false,
        in_english: false,
        key: false,
    }
}

impl Model {
    pub(super) fn new() -> Model {
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

    pub(super) fn edit(&mut self, (edit, place, how): Edit) {
        if how % 3 == 0 {
            self.types.iter_mut().for_each(|ty| {
                ty.was = None;
                ty.fields.iter_mut().for_each(|field| field.was = None);
            });
        }
        let count = self.types.len();
        let at = usize::from(place) % count;
        let number = self.number();
        let plain = SCALARS[usize::from(how) % SCALARS.len()];
        match edit % EDITS {
            0 => {
                let mut new = field(format!("f{number}"), Ty::Plain(plain));
                new.required = how % 5 == 0;
                self.types[at].fields.push(new);
            }
            1 => self.remove(place, |field| !field.key),
            // Links come first: then there are some to take away, to rename and to empty.
            2 | 4 if self.find(place, is_links).is_none() => self.link(at, how, number),
            2 => self.remove(place, is_links),
            3 | 4 => {
                let links = edit % EDITS == 4;
                if let Some(old) = self.pick(place, |field| !links || is_links(field)) {
                    old.was = Some(std::mem::replace(&mut old.name, format!("f{number}")));
                }
            }
            5 => {
                if let Some(old) = self.pick(place, |field| matches!(field.ty, Ty::Plain(_)) && !field.key) {
                    old.ty = Ty::Plain(plain);
                    old.unique &= !LISTED.contains(&plain);
                    old.indexed &= may_be_indexed(old);
                    old.searched &= may_be_searched(old);
                }
            }
            // Casts are found seldom by chance.
            6 => {
                if let Some(old) = self.pick(place, |field| !field.key && cast(field, how).is_some())
                    && let Some(ty) = cast(old, how)
                {
                    old.ty = Ty::Plain(ty);
                }
            }
            7 => self.other_key(place, how),
            // Whoever has nothing to take back, sets.
            8 | 9 => {
                let plain = |field: &Field| matches!(field.ty, Ty::Plain(_)) && !field.key;
                self.toggle(place, edit % EDITS == 9, plain, |field| &mut field.required);
            }
            10 | 11 => self.toggle(place, edit % EDITS == 11, may_be_found, |field| &mut field.unique),
            12 | 13 => self.toggle(place, edit % EDITS == 13, may_be_indexed, |field| &mut field.indexed),
            14 if count < 5 => {
                self.add_type(false);
            }
            15 if self.types.iter().filter(|ty| !ty.nested).count() > 1 => self.remove_type(at),
            16 => {
                let old = &mut self.types[at];
                old.was = Some(std::mem::replace(&mut old.name, format!("T{number}")));
            }
            17 => {
                let to = self.types[usize::from(how) % count].id;
                self.types[at].fields.push(field(format!("f{number}"), Ty::Ref(to)));
            }
            18 => self.link(at, how, number),
            19 if how % 2 == 0 && self.kinds.len() > 1 => {
                self.kinds.remove(usize::from(place) % self.kinds.len());
            }
            19 => self.kinds.push(format!("K{number}")),
            20 if count < 5 && !self.types[at].nested => {
                let child = self.add_type(true);
                self.types[at]
                    .fields
                    .push(field(format!("f{number}"), Ty::Nested(child)));
            }
            21 if how % 4 == 0 => self.types[at].fields.reverse(),
            21 => self.members.push(format!("m{number}")),
            22 => self.ask_or_select(at, how, number),
            23 | 24 => self.toggle(place, edit % EDITS == 24, may_be_searched, |field| &mut field.searched),
            25 | 26 => {
                let searched = |field: &Field| field.searched;
                self.toggle(place, edit % EDITS == 26, searched, |field| &mut field.in_english);
            }
            _ => {}
        }
    }

    fn link(&mut self, at: usize, how: u16, number: u32) {
        let to = self.types[usize::from(how) % self.types.len()].id;
        self.types[at].fields.push(field(format!("f{number}"), Ty::Links(to)));
    }

    /// A key becomes another one, that of a type to which links lead if there is one: these must
    /// not stay.
    fn other_key(&mut self, place: u16, how: u16) {
        let leads = |ty: &Type, to: u32| ty.id != to && ty.fields.iter().any(|field| field.ty == Ty::Links(to));
        let fits = |field: &Field| field.key && matches!(field.ty, Ty::Plain("ID" | "String"));
        let led_to = self
            .types
            .iter()
            .position(|ty| ty.fields.iter().any(fits) && self.types.iter().any(|other| leads(other, ty.id)));
        let spot = match led_to {
            Some(at) => self.types[at].fields.iter().position(fits).map(|spot| (at, spot)),
            None => self.find(place, |field| field.key && cast(field, how).is_some()),
        };
        if let Some((at, spot)) = spot {
            let key = &mut self.types[at].fields[spot];
            let ty = if led_to.is_some() { Some("Int") } else { cast(key, how) };
            key.ty = ty.map_or(key.ty.clone(), Ty::Plain);
        }
    }

    /// One of the fields that fit, of any type.
    fn find(&self, place: u16, fits: impl Fn(&Field) -> bool) -> Option<(usize, usize)> {
        let all = self.types.iter().enumerate();
        let all = all.flat_map(|(at, ty)| ty.fields.iter().enumerate().map(move |(spot, field)| (at, spot, field)));
        let found: Vec<(usize, usize)> = all
            .filter(|(_, _, field)| fits(field))
            .map(|(at, spot, _)| (at, spot))
            .collect();
        let nth = usize::from(place).checked_rem(found.len())?;
        found.get(nth).copied()
    }

    fn pick(&mut self, place: u16, fits: impl Fn(&Field) -> bool) -> Option<&mut Field> {
        let (at, spot) = self.find(place, fits)?;
        self.types[at].fields.get_mut(spot)
    }

    fn remove(&mut self, place: u16, fits: impl Fn(&Field) -> bool) {
        if let Some((at, spot)) = self.find(place, fits) {
            self.remove_field(at, spot);
        }
    }

    /// Sets a flag of a field that has it not, or takes one back if there is any.
    fn toggle(
        &mut self,
        place: u16,
        back: bool,
        fits: impl Fn(&Field) -> bool,
        flag: impl Fn(&mut Field) -> &mut bool,
    ) {
        let has = |field: &Field| *flag(&mut field.clone());
        let spot = self.find(place, |field| fits(field) && has(field) == back);
        if let Some((at, spot)) = spot.or_else(|| self.find(place, |field| fits(field) && has(field) != back)) {
            let flag = flag(&mut self.types[at].fields[spot]);
            *flag = !*flag;
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
    pub(super) fn text(&self) -> String {
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
                let search = if field.in_english {
                    " @search(language: ENGLISH)"
                } else {
                    " @search"
                };
                let _ = write!(
                    out,
                    "{}: {shape}{}{}{}{}{} ",
                    field.name,
                    flag(field.key, " @id"),
                    flag(field.unique, " @unique"),
                    flag(field.indexed, " @index"),
                    flag(field.searched, search),
                    was(&field.was)
                );
            }
            out.push_str("}\n");
        }
        out
    }
}
