// The properties of an image.

import { Fragment, h } from "preact";
import { Button } from "../controls/button.jsx";
import { beginEdit, EditForm, editOf, Pencil } from "./editor.jsx";

/** @import * as messages from "../../message_types" */
/** @import { ImageProps } from "./image_detail.jsx" */

/** @param {ImageProps} props */
export function Properties({ app, image }) {
  const { key, properties, more_properties, writable } = image;
  const edit = editOf(app, key, "properties");
  return (
    <>
      <h4 class="lxi-heading">Properties</h4>
      {properties.length ? (
        <dl class="lxi-facts lxi-properties">
          {properties.map((property) => (
            <Property key={property.name} app={app} image={image} property={property} />
          ))}
        </dl>
      ) : (
        <p class="lxi-none">It has none.</p>
      )}
      {more_properties > 0 && <p class="lxi-none">{`and ${more_properties} more`}</p>}
      {writable && edit && (
        <EditForm
          app={app}
          image={image}
          edit={edit}
          label="Value of the new property"
          withName
          back='[data-name="new-property"]'
        />
      )}
      {writable && !edit && (
        <Button kind="link" data-name="new-property" onClick={() => beginEdit(app, key, { field: "properties" })}>
          Add a property
        </Button>
      )}
    </>
  );
}

/** @param {ImageProps & { property: messages.Property }} props */
function Property({ app, image, property }) {
  const { name, value, whole } = property;
  const edit = editOf(app, image.key, "properties", name);
  const place = `property-${name}`;
  return (
    <>
      <dt dir="auto">{name}</dt>
      <dd>
        {edit ? (
          <EditForm
            app={app}
            image={image}
            edit={edit}
            label={`Value of ${name}`}
            hint="An empty value removes the property."
            back={`[data-name="${CSS.escape(place)}"]`}
          />
        ) : (
          <>
            <bdi>{value}</bdi>{" "}
            {!whole && (
              <span
                class="lxi-hint"
                title="Too long, or with characters that cannot be seen: change it with image.properties."
              >
                (not shown whole)
              </span>
            )}
            {image.writable && whole && (
              <Pencil
                label={`Edit ${name}`}
                name={place}
                onClick={() => beginEdit(app, image.key, { field: "properties", name, before: value, value })}
              />
            )}
          </>
        )}
      </dd>
    </>
  );
}
