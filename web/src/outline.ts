/** What the page needs to know of the served schema: the fields of its object types. Knows introspection; knows no editor. */

export interface TypeRef {
  kind: string;
  name: string | null;
  ofType?: TypeRef | null;
}

export interface OutlineField {
  name: string;
  args: { name: string; type: TypeRef }[];
  type: TypeRef;
}

export interface OutlineType {
  name: string;
  kind: string;
  fields: OutlineField[] | null;
}

export interface Outline {
  queryType: { name: string };
  subscriptionType: { name: string } | null;
  types: OutlineType[];
}

/** Three wrappers are enough for `[T!]!`, the deepest type that is served. */
export const OUTLINE_QUERY = `query Outline {
  __schema {
    queryType { name }
    subscriptionType { name }
    types {
      name
      kind
      fields { name args { name type { ...T } } type { ...T } }
    }
  }
}
fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }`;

/** A field's type without `!` and `[]`, and whether there was a list around it. */
export function unwrap(type: TypeRef): { kind: string; name: string; list: boolean } {
  let list = false;
  let inner = type;
  while (inner.ofType) {
    list ||= inner.kind === "LIST";
    inner = inner.ofType;
  }
  return { kind: inner.kind, name: inner.name ?? "", list };
}

/** The object type of that name, if it is served. */
export function typeNamed(outline: Outline, name: string | undefined): OutlineType | undefined {
  return outline.types.find((type) => type.name === name && type.kind === "OBJECT");
}

/** Whether a value of the field can be asked for without naming its parts. */
export function isLeaf(field: OutlineField): boolean {
  const { kind } = unwrap(field.type);
  return kind === "SCALAR" || kind === "ENUM";
}

/** Whether a call may leave all its arguments out. */
export function needsArguments(field: OutlineField): boolean {
  return field.args.some((argument) => argument.type.kind === "NON_NULL");
}
