import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { settingsQuery } from '../api/queries';
import { Card, Empty, PageHead } from '../components/basics';
import { Loaded } from '../components/failure';
import { Table } from '../components/table';
import { useTitle } from '../components/title';
import { useRights } from '../session/session';
import { Storage } from './storage';

export function Settings() {
  useTitle('Settings');
  const settings = useQuery(settingsQuery);
  const rights = useRights();
  const [text, setText] = useState('');
  const [changed, setChanged] = useState(false);
  return (
    <>
      <PageHead title="Settings in force" about="Every option with the value that counts, and where it comes from. They are changed in the environment or the configuration file, and count after a restart." />
      <div className="filters" role="search">
        <input className="text" type="search" aria-label="Search options" placeholder="Name or value" value={text} onChange={(event) => setText(event.target.value)} />
        <button type="button" className="btn" aria-pressed={changed} onClick={() => setChanged(!changed)}>Only what is not the default</button>
      </div>
      <Card flush>
        <Loaded query={settings}>
          {(all) => {
            const shown = all.filter((setting) => (!changed || setting.source !== 'the defaults') && `${setting.name} ${setting.value}`.toLowerCase().includes(text.toLowerCase()));
            return shown.length === 0 ? <Empty title="No option is like this" /> : (
              <Table label="Settings" items={shown} id={(setting) => setting.name} columns={[
                { name: 'Option', cell: (setting) => <code>{setting.name}</code> },
                { name: 'Value', cell: (setting) => (setting.value === '' ? <span className="muted">empty</span> : <code>{setting.value}</code>) },
                { name: 'From', narrow: true, cell: (setting) => <span className={setting.source === 'the defaults' ? 'tag' : 'tag on'}>{setting.source}</span> },
              ]} />
            );
          }}
        </Loaded>
      </Card>
      {rights.some('read', 'job', '*') ? <div className="after"><Storage /></div> : null}
    </>
  );
}
