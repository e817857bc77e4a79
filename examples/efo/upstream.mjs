// A stand-in of an ontology's server in the shape of OLS: HAL, pages of at most 500, links that are
// URI templates, and IRIs that stand in paths encoded twice. Knows terms; HTTP is in ../stand-in.mjs.
//
//   node upstream.mjs --port 4010
//   node upstream.mjs --scale 88000 --latency 50 --faults 0.01

import { Random, json, options, serve } from "../stand-in.mjs";

const PAGE_MAX = 500;
const PAGE_DEFAULT = 20;
const ROOTS = ["experimental factor", "material property", "process"];
const QUALITIES = ["acute", "chronic", "congenital", "familial", "idiopathic", "juvenile", "recurrent", "secondary"];
const SITES = ["adrenal", "bone", "cardiac", "cerebral", "gastric", "hepatic", "lung", "ocular", "renal", "skin", "thyroid"];
const KINDS = ["abscess", "atrophy", "carcinoma", "disease", "dystrophy", "fibrosis", "lesion", "neoplasm", "syndrome"];
const PEOPLE = ["Alström", "Behçet", "Crohn", "Löffler", "Ménière", "Sjögren", "Wilson"];

const given = options({ port: 4010, scale: 300 });
const random = new Random(given.seed);

/** A term's IRI: those of several vocabularies, some of which have a `#`. */
function iriOf(at) {
  const number = String(at).padStart(7, "0");
  switch (at % 8) {
    case 3:
      return `http://purl.obolibrary.org/obo/MONDO_${number}`;
    case 5:
      return `http://www.orpha.net/ORDO/Orphanet_${at}`;
    case 6:
      return `http://purl.org/sig/ont/fma#fma${at}`;
    case 7:
      return `http://purl.obolibrary.org/obo/HP_${number}`;
    default:
      return `http://www.ebi.ac.uk/efo/EFO_${number}`;
  }
}

const terms = [];
const places = new Map();

function add() {
  const at = terms.length;
  const [quality, site, kind] = [QUALITIES, SITES, KINDS].map((words) => random.pick(words));
  const synonyms = [];
  if (random.chance(0.6)) synonyms.push(`${kind} of the ${site} system, ${quality}`);
  if (random.chance(0.2)) synonyms.push(`${random.pick(PEOPLE)} ${kind} ${at}`);
  const parents = [];
  // Each term stands below earlier ones, so there is no circle.
  const wanted = at < ROOTS.length ? 0 : 1 + (random.chance(0.25) ? 1 : 0) + (random.chance(0.05) ? 1 : 0);
  for (let tries = 0; parents.length < wanted && tries < 10; tries += 1) {
    const parent = random.below(at);
    if (!parents.includes(parent)) parents.push(parent);
  }
  const term = {
    iri: iriOf(at),
    label: ROOTS[at] ?? `${quality} ${site} ${kind} ${at}`,
    description: random.chance(0.8) ? [`Any ${kind} of the ${site} system that is ${quality}.`] : [],
    synonyms,
    parents,
    children: [],
    obsolete: false,
  };
  for (const parent of parents) terms[parent].children.push(at);
  terms.push(term);
  places.set(term.iri, at);
  return term;
}

while (terms.length < given.scale) add();

/** What follows the last `/` or `#`. */
const shortForm = (iri) => iri.slice(Math.max(iri.lastIndexOf("/"), iri.lastIndexOf("#")) + 1);

const BASE = "/api/ontologies/efo";

function shown(term, origin) {
  const self = `${origin}${BASE}/terms/${encodeURIComponent(encodeURIComponent(term.iri))}`;
  const short = shortForm(term.iri);
  // As in HAL: a link is there where it leads to something.
  const link = (name) => ({ [name]: { href: `${self}/${name}{?page,size}`, templated: true } });
  return {
    iri: term.iri,
    lang: "en",
    label: term.label,
    description: term.description,
    synonyms: term.synonyms.length > 0 ? term.synonyms : null,
    ontology_name: "efo",
    is_obsolete: term.obsolete,
    has_children: term.children.length > 0,
    is_root: term.parents.length === 0,
    short_form: short,
    obo_id: short.includes("_") ? short.replace("_", ":") : null,
    _links: {
      self: { href: `${self}{?lang}`, templated: true },
      ...(term.parents.length > 0 ? link("parents") : {}),
      ...(term.children.length > 0 ? link("children") : {}),
    },
  };
}

/** A page of HAL: what is asked for, where it goes on, and how much there is. */
function page(found, address, query, origin) {
  const number = (name, usual) => Math.max(0, Math.floor(Number(query.get(name) ?? usual)) || 0);
  const size = Math.min(PAGE_MAX, number("size", PAGE_DEFAULT) || PAGE_DEFAULT);
  const at = number("page", 0);
  const pages = Math.ceil(found.length / size);
  const here = found.slice(at * size, (at + 1) * size);
  const link = (page) => ({ href: `${origin}${address}?page=${page}&size=${size}` });
  return json({
    ...(here.length > 0 ? { _embedded: { terms: here.map((term) => shown(term, origin)) } } : {}),
    _links: {
      first: link(0),
      self: link(at),
      ...(at + 1 < pages ? { next: link(at + 1) } : {}),
      last: link(Math.max(0, pages - 1)),
    },
    page: { size, totalElements: found.length, totalPages: pages, number: at },
  });
}

/** The IRI of a part of a path, which must be encoded twice: what is so once would have slashes. */
function iriIn(part) {
  try {
    const once = decodeURIComponent(part);
    return once.includes("/") ? undefined : decodeURIComponent(once);
  } catch {
    return undefined;
  }
}

function answer({ path, query, origin }) {
  if (path === BASE) {
    const config = { title: "Experimental Factor Ontology (stand-in)", version: "3.72.0" };
    return json({ ontologyId: "efo", config, numberOfTerms: terms.length });
  }
  if (path === `${BASE}/terms`) return page(terms, path, query, origin);
  const [, part, way] = path.match(/^\/api\/ontologies\/efo\/terms\/([^/]+)(?:\/(parents|children))?$/) ?? [];
  const term = part === undefined ? undefined : terms[places.get(iriIn(part)) ?? -1];
  if (!term) return undefined;
  return way ? page(term[way].map((at) => terms[at]), path, query, origin) : json(shown(term, origin));
}

/** A new release: a term is renamed, one gets one more parent, one is obsolete, and one is new. */
function step() {
  const [renamed, moved, obsolete] = [1 / 4, 1 / 2, 3 / 4].map((part) => terms[Math.floor(terms.length * part)]);
  renamed.label += " (revised)";
  obsolete.obsolete = true;
  const at = places.get(moved.iri);
  const parent = terms.findIndex((_, parent) => !moved.parents.includes(parent));
  if (parent >= 0 && parent < at) {
    moved.parents.push(parent);
    terms[parent].children.push(at);
  }
  const added = add();
  return { renamed: renamed.iri, moved: moved.iri, obsolete: obsolete.iri, added: added.iri };
}

serve(given, {
  answer,
  step,
  truth: () => ({
    terms: terms.map(({ iri, label, synonyms, parents, obsolete }) => ({
      iri,
      label,
      synonyms,
      parents: parents.map((at) => terms[at].iri),
      obsolete,
    })),
  }),
});
